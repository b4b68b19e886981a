#!/usr/bin/env bash
# Download Pythons from Debian's unstable suite for `make test-all`: tools/debian_pythons.sh [PACKAGE …]
#
# Each is unpacked into .pythons/PACKAGE with everything that it needs, including its C library. The rest of the
# machine stays unchanged, and existing ones are kept. Prints a line for each, with the reason if it is unavailable,
# which is not an error. FOLDER= and SUITE= set another folder and another suite.
set -u
cd "$(dirname "$0")/.." || exit
[ $# = 0 ] && set -- python3.14 python3.15 pypy3
mkdir -p "${FOLDER:=.pythons}"
folder=$(cd "$FOLDER" && pwd)
log=$folder/log
sources=/etc/apt/sources.list.d/debian.sources
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

configure_apt() { # with an empty status file, so that apt downloads all dependencies, including the C library
    local program mirror
    for program in apt-get dpkg-deb patchelf; do
        command -v "$program" >/dev/null || { echo "$program is missing"; return 1; }
    done
    mirror=$(sed -n 's/^URIs: *//p' "$sources" | head -n 1)
    [ "$mirror" ] || { echo "$sources contains no mirror (a line URIs: …)"; return 1; }
    mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache"
    : >"$folder/apt/status"
    echo "deb [signed-by=$keyring] $mirror ${SUITE:-sid} main" >"$folder/apt/sources.list"
    cat >"$folder/apt/apt.conf" <<CONF
Dir::State "$folder/apt";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt/cache";
Dir::Etc::sourcelist "$folder/apt/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "root";
CONF
    export APT_CONFIG=$folder/apt/apt.conf
    apt-get update -qq
}

fetch() {
    mkdir -p "$prefix/debs/partial"
    apt-get install -qq --yes --no-install-recommends --download-only -o "Dir::Cache::archives=$prefix/debs" "$package"
}

unpack() { # unpack the packages and make the program load its own C library
    local deb loader
    for deb in "$prefix"/debs/*.deb; do dpkg-deb -x "$deb" "$prefix" || return; done
    rm -r "$prefix/debs"
    loader=$(find "$prefix/usr/lib" -name 'ld-linux*.so.*' | head -n 1)
    patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$(dirname "$loader")" "$(readlink -f "$program")" || return
    find "$prefix/usr/lib" -name sitecustomize.py -type l -delete # a link into this machine's /etc
    "$program" -m compileall -q "$prefix"/usr/lib/py* || true     # files for other versions do not compile
    "$program" -c 'import ssl, zlib'
}

reason=
configured=
for package; do
    prefix=$folder/$package program=$folder/$package/usr/bin/$package
    if ! "$program" -c 'import ssl, zlib' >/dev/null 2>&1; then
        rm -rf "$prefix"
        if [ ! "$configured" ]; then
            configured=yes
            configure_apt >"$log" 2>&1 || reason=$(tail -n 1 "$log")
        fi
        if [ "$reason" ] || ! { fetch && unpack; } >"$log" 2>&1; then
            echo "$package is not available: ${reason:-$(tail -n 1 "$log")}"
            rm -rf "$prefix"
            continue
        fi
    fi
    echo "$package: $("$program" -c 'import sys; print(sys.implementation.name, sys.version.split()[0])') in $prefix"
done
rm -rf "$folder/apt" "$log"
