/**
 * The distributions behind the shaper's numbers. Range times of physics payloads are positive and
 * skewed; a gamma law with the measured mean and cv describes them well enough for quantiles, and
 * its moments give the edge law of 3-scheduling: a renewal process that is cut at a random time
 * loses mean * (1 + cv^2) / 2 per slot (the mean age, Cox: "Renewal Theory", 1962).
 *
 * Every function returns a finite number >= 0 for finite arguments >= 0.
 */

/** Quantile of the standard normal law, |error| < 4.5e-4 (Abramowitz and Stegun 26.2.23). */
export function normalQuantile(probability: number): number {
  const p = Math.min(1 - 1e-12, Math.max(1e-12, probability));
  const tail = Math.min(p, 1 - p);
  const t = Math.sqrt(-2 * Math.log(tail));
  const top = 2.515517 + t * (0.802853 + t * 0.010328);
  const bottom = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308));
  const z = t - top / bottom;
  return p < 0.5 ? -z : z;
}

/** Quantile of a gamma law by Wilson and Hilferty's cube (1931); exact enough for cv <= 1. */
export function gammaQuantile(mean: number, cv: number, probability: number): number {
  if (!(mean > 0)) return 0;
  if (!(cv > 1e-6)) return mean;
  const ninth = (cv * cv) / 9;
  const root = 1 - ninth + normalQuantile(probability) * Math.sqrt(ninth);
  return root <= 0 ? 0 : mean * root * root * root;
}

/** log of the gamma function for x > 0: Stirling's series after shifting x above 8. */
export function logGamma(x: number): number {
  let shift = 0;
  let y = x;
  while (y < 8) {
    shift += Math.log(y);
    y += 1;
  }
  const inverse = 1 / y;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)));
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

const ITERATIONS_MAX = 500;
const PRECISION = 1e-12;

/** Regularised lower incomplete gamma function P(shape, x): series below, fraction above. */
export function gammaCdf(shape: number, x: number): number {
  if (!(x > 0) || !(shape > 0)) return 0;
  if (x === Number.POSITIVE_INFINITY) return 1;
  const front = Math.exp(shape * Math.log(x) - x - logGamma(shape));
  if (x < shape + 1) {
    let term = 1 / shape;
    let sum = term;
    for (let n = 1; n < ITERATIONS_MAX && term > sum * PRECISION; n++) {
      term *= x / (shape + n);
      sum += term;
    }
    return Math.min(1, front * sum);
  }
  // Lentz's evaluation of the continued fraction of the upper function.
  let b = x + 1 - shape;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let n = 1; n < ITERATIONS_MAX; n++) {
    const a = -n * (n - shape);
    b += 2;
    d = 1 / (a * d + b);
    c = b + a / c;
    const step = c * d;
    h *= step;
    if (Math.abs(step - 1) < PRECISION) break;
  }
  return Math.max(0, 1 - front * h);
}

/** Chance that a range of this law ends within `seconds`. */
export function chanceWithin(mean: number, cv: number, seconds: number): number {
  if (!(seconds > 0)) return 0;
  if (!(mean > 0)) return 1;
  if (!(cv > 1e-3)) return seconds >= mean ? 1 : 0;
  const shape = 1 / (cv * cv);
  return gammaCdf(shape, (seconds * shape) / mean);
}

/** Mean seconds a slot loses at a wall: the mean age of what runs when it is cut. */
export function edgeSeconds(mean: number, cv: number): number {
  return mean > 0 ? (mean * (1 + cv * cv)) / 2 : 0;
}

/** Mean of a range's time given that it takes more than `seconds`. */
export function meanBeyond(mean: number, cv: number, seconds: number): number {
  if (!(mean > 0) || !(seconds > 0) || !(cv > 1e-3)) return Math.max(mean, seconds, 0);
  const shape = 1 / (cv * cv);
  const x = (seconds * shape) / mean;
  const alive = 1 - gammaCdf(shape, x);
  if (alive < 1e-9) return seconds;
  return Math.max(seconds, (mean * (1 - gammaCdf(shape + 1, x))) / alive);
}
