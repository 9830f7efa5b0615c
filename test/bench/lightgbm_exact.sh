#!/usr/bin/env bash
# Scores beside LightGBM's, bit for bit: lightgbm_exact.c, with the library that
# lightgbm_speed.sh finds.
exec env LIGHTGBM_PROGRAM=lightgbm_exact "$(dirname "${BASH_SOURCE[0]}")/lightgbm_speed.sh" "$@"
