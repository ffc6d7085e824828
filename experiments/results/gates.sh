#!/usr/bin/env bash
# The pictures of docs/gates.md: trains one run of each cell on the sample and draws what its gates do with one text.
#   . .venv/bin/activate && bash experiments/results/gates.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
text="I saw this film last week. I had expected that the music felt dreadful most of the time, and found that the acting seemed brilliant this time."
pictures=experiments/results
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
draw() { # NAME RUN… OPTIONS: no picture is replaced, so the last one goes first
  rm -f "$pictures/$1.svg"
  gatelab gates "${@:2}" --text "$text" --out "$folder/$1.svg"
  mv "$folder/$1.svg" "$pictures"
}
declare -A runs
for cell in gated no_input_gate no_forget_gate no_output_gate coupled peephole janet lstm_1997; do
  runs[$cell]=$(gatelab train encoder=$cell seed=141 name=gate_pictures tracker=none baseline=none | sed -n 's/^run folder  //p')
  draw "gates_$cell" "${runs[$cell]}"
done
draw gates_units "${runs[gated]}" --units forget_gate --units cell
draw gates_side_by_side "${runs[gated]}" "${runs[janet]}"
gatelab gates "${runs[gated]}"
cp "${runs[gated]}/figures/saturation.svg" "$pictures/gates_saturation.svg"
python tools/screenshot.py "${runs[gated]}/report.html" "$pictures/page_gates.png" --section gates
