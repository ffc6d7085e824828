#!/usr/bin/env bash
# The pictures of docs/gates.md: trains one run of each cell on the sample and draws what its gates do with one text.
#   . .venv/bin/activate && bash experiments/results/gates.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
text="I saw this film last week. I had expected that the music felt dreadful most of the time, and found that the acting seemed brilliant this time."
for cell in gated no_input_gate no_forget_gate no_output_gate coupled peephole janet lstm_1997; do
  run=$(gatelab train encoder=$cell seed=141 name=gate_pictures tracker=none baseline=none | sed -n 's/^run folder  //p')
  gatelab gates "$run" "$text" --out "experiments/results/gates_$cell.svg"
  rm "experiments/results/gates_$cell.npz"
done
