#!/usr/bin/env bash
# Serve the pocket model with vLLM from an environment of its own, ask it the demo questions, and compare with
# the same questions in process. All options go to the Python module: --help lists them.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${VENV:-.venv}/bin/python" -m foveate.agent.models.check_vllm "$@"
