#!/bin/sh
# Find a Python that can make a virtual environment and hand over to bootstrap.py. PYTHON may name one.
here=$(dirname "$0")
old=""
for python in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    old=$python
    "$python" -c 'import ensurepip, venv' 2>/dev/null && exec "$python" "$here/bootstrap.py" "$@"
done
if [ -n "$old" ]; then
    echo "[setup] $old has no venv module. On Debian and Ubuntu: apt install python3-venv. Then run make again." >&2
else
    echo "[setup] PETra needs Python 3.11 or newer, and ${PYTHON:-the PATH} has none." \
        "Install one, or name one: make PYTHON=/path/to/python3 ..." >&2
fi
exit 2
