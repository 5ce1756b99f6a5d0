#!/usr/bin/env bash
# Brings a fresh Debian or Ubuntu machine to the point where the program and its tests run: system libraries, .venv,
# Python packages at the versions of constraints.txt. Quick when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONPATH PYTHONHOME # packages of another Python would be taken for installed
export PIP_USER=0           # whatever pip's own settings say: into .venv
exec 9<installer/setup.sh   # a second set-up of this folder waits for the first one
if command -v flock >/dev/null; then flock 9 2>/dev/null || true; fi # some network disks refuse locks

# Besides what Qt names: xvfb-run needs xauth, which xvfb only recommends; libharfbuzz0b brings GLib, whose own package
# has another name in every other release.
system_packages=(xvfb xauth libharfbuzz0b libegl1 libgl1 libgl1-mesa-dri libxkbcommon-x11-0 libxcb-cursor0
  libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxcb-image0 libxcb-render-util0 libxcb-xinerama0 libdbus-1-3
  libfontconfig1 fonts-dejavu-core)

find_python() {
  local name
  for name in "${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "Python 3.11 or newer is needed: install python3.11 and python3.11-venv, or name one with PYTHON=..." >&2
  exit 1
}

install_system_packages() {
  command -v dpkg-query >/dev/null || return 0
  local missing=() name
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
  for name in "$@"; do
    grep -qx "$name" <<<"$installed" || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null; then as_root=(sudo -n); else
      echo "Missing system packages; run: sudo apt-get install ${missing[*]}" >&2
      return 0
    fi
  fi
  echo "Installing system packages: ${missing[*]}"
  { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null ||
    echo "Could not install system packages; run: sudo apt-get install ${missing[*]}" >&2
}

python=$(find_python)
packages=("${system_packages[@]}")
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  packages+=("$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
install_system_packages "${packages[@]}"

# The scripts in .venv name its folder, so a checkout that was moved needs a new one.
stamp=$({ pwd; "$python" -c 'import sys; print(sys.version)'; cat pyproject.toml constraints.txt; } | sha256sum)
if [ "$(cat .venv/.setup-stamp 2>/dev/null)" != "$stamp" ]; then
  # A set-up that never came to its end, or was interrupted, leaves no stamp: what it installed may be half there.
  if [ ! -f .venv/.setup-stamp ] || ! grep -qF "$PWD/.venv" .venv/bin/activate ||
    ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    rm -rf .venv
    "$python" -m venv .venv
  fi
  rm -f .venv/.setup-stamp
  echo "Installing Python packages into .venv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
  echo "$stamp" >.venv/.setup-stamp
fi
