#!/usr/bin/env bash
# How long scoring a model of LightGBM takes, beside the library in the same
# run; or what else LIGHTGBM_PROGRAM, a program of this folder, compares with it.
# The library is that of the Python package: LIGHTGBM_LIBRARY names it, or else
# python3 is asked (PYTHON names another).  Without it there is no peer, and
# nothing to do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

program=${LIGHTGBM_PROGRAM:-lightgbm_speed}
library=${LIGHTGBM_LIBRARY:-}
[ -n "$library" ] || library=$("${PYTHON:-python3}" - 2> /dev/null << 'PYTHON' || true
import glob
import importlib.util
import os
package = os.path.dirname(importlib.util.find_spec('lightgbm').origin)
print(*glob.glob(package + '/**/lib_lightgbm.so', recursive=True)[:1])
PYTHON
)
if [ ! -r "$library" ]; then
	echo "$program: skipped: there is no lib_lightgbm.so to compare with (pip install lightgbm, or set LIGHTGBM_LIBRARY)"
	exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pg_config=${PG_CONFIG:-pg_config}
${CC:-cc} -O2 -ffp-contract=off -Isrc -I"$("$pg_config" --includedir-server)" -o "$work/$program" \
	"test/bench/$program.c" src/forest/*.c -L"$("$pg_config" --pkglibdir)" -L"$("$pg_config" --libdir)" \
	-lpgcommon -lpgport -ldl -lm
OMP_NUM_THREADS=1 "$work/$program" "$library" "$@"
