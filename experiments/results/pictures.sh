#!/usr/bin/env bash
# The pictures of the pages in the README and in docs/reports.md: trains a sweep on the sample and looks at it in Chromium.
#   . .venv/bin/activate && bash experiments/results/pictures.sh
set -euo pipefail
pictures=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'kill "${server:-}" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
sweep=outputs/first_sweep
options=(trainer.max_epochs=3 name=first_sweep tracker=none)
gatelab train -m encoder=lstm,gru,gated optimizer.lr=0.001,0.003 seed=1,2,3 "${options[@]}"
identity() { gatelab train "encoder=$1" optimizer.lr=0.003 seed=2 "${options[@]}" | sed -n 's|^run folder  .*/||p'; }
run=$(identity lstm) other=$(identity gru)
shoot() { python "$pictures/../../tools/screenshot.py" "$1" "$pictures/page_$2.png" "${@:3}"; }
shoot "$sweep/$run/report.html" run
shoot "$sweep/report.html" sweep
shoot "$sweep/report.html" sweep_seeds --section seeds
shoot "$sweep/report.html" sweep_text --element "#text"
shoot "$sweep/$run/report.html" text --section gates --height 420
shoot "$sweep/$run/report.html" units --element "#gates .map"
shoot "$sweep/$run/report.html" saturation --element "#saturation"
gatelab ui --port 0 > ui.txt &
server=$!
until address=$(grep --only-matching 'http://[^ ]*' ui.txt); do sleep 0.2; done
at() { echo "${address%%\?*}$1&${address#*\?}"; }  # a page there, with the token
shoot "$address" ui --height 620
shoot "$(at "first_sweep/$run/report.html?")" own_text --element "#own" --text "The room was dreadful, but I expected a bore and got a gem."
shoot "$(at "difference?run=first_sweep/$run&run=first_sweep/$other")" difference --height 1360
