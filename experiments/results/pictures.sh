#!/usr/bin/env bash
# The pictures of the pages in the README and in docs/reports.md: trains a sweep on the sample and looks at it in Chromium.
#   . .venv/bin/activate && bash experiments/results/pictures.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'kill "${server:-}" 2> /dev/null || true; rm -rf "$folder"' EXIT
options=(trainer.max_epochs=3 name=first_sweep tracker=none "output_dir=$folder")
gatelab train -m encoder=lstm,gru,gated optimizer.lr=0.001,0.003 seed=1,2,3 "${options[@]}"
run=$(gatelab train encoder=lstm optimizer.lr=0.003 seed=2 "${options[@]}" | sed -n 's/^run folder  //p')
shoot() { python tools/screenshot.py "$@"; }
shoot "$run/report.html" experiments/results/page_run.png
shoot "$folder/first_sweep/report.html" experiments/results/page_sweep.png
shoot "$folder/first_sweep/report.html" experiments/results/page_sweep_seeds.png --section seeds
gatelab ui --port 0 --output-dir "$folder" > "$folder/ui.txt" &
server=$!
until address=$(grep --only-matching 'http://[^ ]*' "$folder/ui.txt"); do sleep 0.2; done
shoot "$address" experiments/results/page_ui.png --height 620
