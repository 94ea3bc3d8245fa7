# Sourced by the other scripts: what this machine must have before anything is built.
# It is quiet when all is there.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

say() { printf '\n== %s\n' "$*"; }

require_swift() {
    if ! command -v swift >/dev/null 2>&1; then
        echo "Swift is missing: install Swift 6.3 or newer from https://www.swift.org/install/linux/ and put it on PATH." >&2
        exit 1
    fi
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    if [ "$(printf '%s\n6.3\n' "$version" | sort -V | head -n 1)" != 6.3 ]; then
        echo "Swift $version is too old: swift-cvmfs needs Swift 6.3 or newer (https://www.swift.org/install/linux/)." >&2
        exit 1
    fi
}

# Installs the Debian packages that are not there yet; only that needs root.
require_packages() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "Installing ${missing[*]}"
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "These Debian packages are missing, and only root can install them: ${missing[*]}" >&2
            exit 1
        fi
        sudo=(sudo)
    fi
    # nginx and squid are started by the tests themselves, never as services of the system.
    local policy=/usr/sbin/policy-rc.d made_policy=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null && "${sudo[@]}" chmod 755 $policy
        made_policy=yes
    fi
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    local status=$?
    [ -z "$made_policy" ] || "${sudo[@]}" rm -f $policy
    if [ $status -ne 0 ]; then
        echo "apt-get could not install ${missing[*]}: see above." >&2
        exit 1
    fi
}

BUILD_PACKAGES=(
    libsqlite3-dev
    libssl-dev
    zlib1g-dev
    libcurl4-openssl-dev
    libdeflate-dev
    libarchive-dev
    pkg-config
)
TEST_PACKAGES=(
    nginx-light
    squid
    openssl
    attr
    curl
    libarchive-tools
    xz-utils
    zstd
    bzip2
    umoci
    skopeo
    fuse3
    crun
    bubblewrap
    systemd-container
    uidmap
)
