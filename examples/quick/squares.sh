#!/bin/sh
# One CSV line an event: its number and its square. Arguments: START COUNT OUTPUT.
set -eu
awk -v start="$1" -v count="$2" 'BEGIN {
  print "event0,square"
  for (event = start; event < start + count; event++) printf "%d,%.0f\n", event, event * event
}' >"$3"
