#!/bin/sh
# Make sure that the browser tests have a Chromium that starts. One that is there is used, without the network;
# else the package manager installs one where this is root, else Playwright downloads its own.
set -eu
cd "$(dirname "$0")/.."

names="chromium chromium-browser google-chrome google-chrome-stable"
log=build/chromium.log

starts() { # starts [EXECUTABLE]: as the tests start it; without a name Playwright's own
    .venv/bin/python - "$@" >>"$log" 2>&1 <<'PY'
import sys
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    playwright.chromium.launch(executable_path=sys.argv[1] if sys.argv[1:] else None, timeout=60_000).close()
PY
}

found() { # whether any Chromium starts
    for name in $names; do
        browser=$(command -v "$name") && starts "$browser" && return 0
    done
    for application in "Google Chrome" Chromium; do
        browser="/Applications/$application.app/Contents/MacOS/$application"
        [ -x "$browser" ] && starts "$browser" && return 0
    done
    starts
}

install_package() { # fails where there is no package manager that has a Chromium
    [ "$(id -u)" = 0 ] || return 1
    if command -v apt-get >/dev/null; then
        # Ubuntu's package is only a door to a snap, which a container cannot start.
        if grep -qs '^ID=ubuntu' /etc/os-release; then return 1; fi
        set -- sh -c 'apt-get -q update; apt-get -qy install --no-install-recommends chromium'
    elif command -v dnf >/dev/null; then
        set -- dnf -qy install chromium
    elif command -v apk >/dev/null; then
        set -- apk add --no-cache chromium
    else
        return 1
    fi
    echo "Installing Chromium from the system's packages (once)" >&2
    DEBIAN_FRONTEND=noninteractive "$@" >>"$log" 2>&1 </dev/null
}

download() {
    echo "Downloading Playwright's Chromium (once)" >&2
    # The libraries that it needs come from apt; only root can install them, and only there Playwright knows how.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        .venv/bin/playwright install --with-deps chromium
    else
        .venv/bin/playwright install chromium
    fi >>"$log" 2>&1
}

mkdir -p build
: >"$log"
found && exit 0
install_package && found && exit 0
download && found && exit 0

tail -n 15 "$log" >&2
cat >&2 <<'END'
The browser tests need a Chromium, and none was found that starts, nor could one be installed (all of it: build/chromium.log).
Get one in any of these ways, then run make test again:
  Debian:  sudo apt-get install chromium
  Fedora:  sudo dnf install chromium
  Ubuntu:  sudo .venv/bin/playwright install-deps chromium && .venv/bin/playwright install chromium
  macOS:   brew install --cask google-chrome
END
exit 1
