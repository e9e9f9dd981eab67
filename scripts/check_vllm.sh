#!/usr/bin/env bash
# Serve the pocket model with vLLM from an environment of its own, ask it the demo questions, and compare with
# the same questions in process; then test semantic sampling in a vLLM server. All options go to the Python
# module: --help lists them.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN="${VENV:-.venv}/bin"
"$BIN/python" -m foveate.agent.models.check_vllm "$@"
if [ $# -eq 0 ]; then
  export FOVEATE_VLLM_PYTHON="${FOVEATE_VLLM_PYTHON:-$PWD/.venv-vllm/bin/python}"
  exec "$BIN/python" -m pytest -q -m vllm tests/semsam
fi
