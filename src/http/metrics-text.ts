/**
 * Metrics as Prometheus text (exposition format 0.0.4). Names end in `_total` or `_sum` for what
 * only rises; everything else is a gauge.
 */
export const METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export function metricsText(metrics: Readonly<Record<string, number>>): string {
  const lines: string[] = [];
  for (const name of Object.keys(metrics).sort()) {
    const value = metrics[name] as number;
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) continue;
    lines.push(`# TYPE ${name} ${/_(total|sum)$/.test(name) ? "counter" : "gauge"}`);
    lines.push(`${name} ${numberText(value)}`);
  }
  return `${lines.join("\n")}\n`;
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}
