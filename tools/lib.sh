# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154
#
# Shared by tools/quickstart and tools/check, which read it with `.`: what the machine lacks, how to install it,
# the virtual environment, and the build directories. POSIX sh. The caller sets `root` (the clone, absolute) and
# `me` (its own name, for messages) and has changed into `root`.
#
# Nothing is written outside the clone except by the distribution's package manager.

# Disk that a first start takes inside the clone: .venv about 700 MB, builds and logs about 300 MB.
need_mb=1200

say()
{
    printf '==> %s\n' "$*"
}

# Kept for the message below, which may be printed while a function's output goes to a log.
exec 3>&2

# One sentence a newcomer understands, then exit 1.
die()
{
    printf '\n%s: %s\n' "$me" "$*" >&2
    exit 1
}

interrupted()
{
    trap - INT TERM
    printf '\n%s: interrupted; start it again and it goes on from here\n' "$me" >&3
    exit 130
}
trap interrupted INT TERM

# ensure_writable PATH…: those that exist belong to us.
ensure_writable()
{
    for path in "$root" "$@"; do
        if [ -e "$path" ] && ! [ -w "$path" ]; then
            die "$path cannot be written by $(id -un): it was made by another user (root?). Start as that user, or change its owner."
        fi
    done
}

# ---------------------------------------------------------------- logs

# logged LOG COMMAND…: runs the command with no stdin and both outputs in LOG; its status.
logged()
{
    log=$1
    shift
    mkdir -p "$(dirname "$log")" || die "cannot write to $root: check its owner and the free space"
    "$@" >"$log" 2>&1 </dev/null
}

# A likely reason found in a log, as a sentence; nothing when none is recognised. The order matters: a package
# manager without a network also complains about packages that it cannot find.
explain()
{
    if grep -Eqi 'no space left on device|not enough free space|disk quota exceeded' "$1"; then
        echo 'The disk is full: free some space and start again.'
    elif grep -Eqi 'certificate verify failed|CERTIFICATE_VERIFY_FAILED' "$1"; then
        echo 'The certificate of the package mirror is not trusted: a proxy in between may need its own certificate installed (PIP_CERT for Python packages).'
    elif grep -Eqi 'could not resolve|temporary failure|name or service not known|network is unreachable|failed to establish a new connection|connection timed out|connection refused|could not connect|curl error|no route to host|max retries|read timed out' "$1"; then
        echo 'The package mirrors cannot be reached: check the network (and http_proxy, if you need one) and start again.'
    elif grep -Eqi 'could not get lock|unable to (acquire|lock)' "$1"; then
        echo 'Another package manager is running: wait until it has ended and start again.'
    elif grep -Eqi 'no matching distribution|could not find a version' "$1"; then
        echo "There is no build of that package for this Python: start again with another one, for example PYTHON=/usr/bin/python3 sh tools/$me."
    elif grep -Eqi 'unable to locate package|no installation candidate|no match for argument|unable to find a match' "$1"; then
        echo 'The distribution does not offer that package: on Ubuntu enable the "universe" component, then start again.'
    elif grep -Eqi 'terminal is required|password is required|not in the sudoers' "$1"; then
        echo 'sudo needs a password or is not allowed here: start as root, or run sudo once yourself before this command.'
    elif grep -Eqi 'killed signal|out of memory|cannot allocate memory' "$1"; then
        echo 'The machine ran out of memory.'
    fi
}

# failed LOG WHAT: shows the end of the log, says what failed and why, and exits.
failed()
{
    printf '\n' >&2
    tail -n 30 "$1" >&2
    why=$(explain "$1")
    die "$2 (the whole output is in $1).${why:+ $why}"
}

# ---------------------------------------------------------------- what is missing

compiler()
{
    if [ -n "${CC:-}" ]; then
        echo "$CC"
    elif command -v cc >/dev/null 2>&1; then
        echo cc
    else
        echo gcc
    fi
}

# The compiler that Meson will take can compile a program that includes stdio.h. CC may hold options.
have_compiler()
{
    # shellcheck disable=SC2046
    echo '#include <stdio.h>' | $(compiler) -fsyntax-only -x c - >/dev/null 2>&1
}

# The sanitizers' runtime libraries are packages of their own on some distributions.
have_sanitizers()
{
    probe=build-check/probe
    mkdir -p build-check || return 1
    # shellcheck disable=SC2046
    for kind in address,undefined thread; do
        echo 'int main(void) { return 0; }' |
            $(compiler) -fsanitize=$kind -x c -o "$probe" - >/dev/null 2>&1 || return 1
    done
    rm -f "$probe"
}

# Version 1.0 or newer, and it starts (a version manager's shim may be on PATH with nothing behind it).
have_meson()
{
    case $(meson --version 2>/dev/null </dev/null) in
    '' | 0.*) return 1 ;;
    esac
}

have_library()
{
    pkg-config --exists "$1" 2>/dev/null
}

# Version 3.9 or newer, with the two modules that make a virtual environment with pip in it.
python_is_usable()
{
    [ -x "$1" ] &&
        "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1 </dev/null
}

# Those of the Python that .venv is, or will be, made with.
have_python_headers()
{
    python=$venv_python
    venv_works || python=$(find_python) || return 1
    "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")))' 2>/dev/null </dev/null
}

# Prints the Python to build .venv with: $PYTHON, else the first usable python3 on PATH, else the system's.
find_python()
{
    if [ -n "${PYTHON:-}" ]; then
        python_is_usable "$(command -v "$PYTHON")" && command -v "$PYTHON"
        return
    fi
    old_ifs=$IFS
    IFS=:
    set -f
    # shellcheck disable=SC2086
    set -- $PATH
    set +f
    IFS=$old_ifs
    for directory in "$@" /usr/bin; do
        # An activated .venv of this clone is what is being made, not what to make it from.
        [ "$directory" != "$root/.venv/bin" ] || continue
        if python_is_usable "$directory/python3"; then
            echo "$directory/python3"
            return 0
        fi
    done
    return 1
}

# Whether NEED is met, however it came here: from packages, from source, from a module system.
have()
{
    case $1 in
    compiler) have_compiler ;;
    sanitizers) have_sanitizers ;;
    pkg-config) command -v pkg-config >/dev/null 2>&1 ;;
    meson) have_meson ;;
    ninja) ninja --version >/dev/null 2>&1 </dev/null || ninja-build --version >/dev/null 2>&1 </dev/null ;;
    python) find_python >/dev/null ;;
    python-headers) have_python_headers ;;
    urcu) have_library liburcu-qsbr ;;
    cjson) have_library libcjson ;;
    zstd) have_library libzstd ;;
    cmocka) have_library cmocka ;;
    cppcheck) command -v cppcheck >/dev/null 2>&1 ;;
    # Where it is not packaged (RPM distributions), the test of the ring's model is skipped.
    spin) command -v spin >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1 ;;
    esac
}

# The packages of MANAGER that meet NEED. RPM distributions disagree on the names of -devel packages but all
# of them know which one holds a pkg-config module.
packages_for()
{
    case $1:$2 in
    apt-get:compiler) echo gcc libc6-dev ;;
    apt-get:sanitizers) echo gcc ;;
    apt-get:ninja) echo ninja-build ;;
    apt-get:python) echo python3 python3-venv ;;
    apt-get:python-headers) echo python3-dev ;;
    apt-get:urcu) echo liburcu-dev ;;
    apt-get:cjson) echo libcjson-dev ;;
    apt-get:zstd) echo libzstd-dev ;;
    apt-get:cmocka) echo libcmocka-dev ;;
    dnf:compiler) echo gcc glibc-devel ;;
    dnf:sanitizers) echo libasan libubsan libtsan ;;
    dnf:pkg-config) echo /usr/bin/pkg-config ;;
    dnf:ninja) echo ninja-build ;;
    dnf:python) echo python3 python3-pip ;;
    dnf:python-headers) echo python3-devel ;;
    dnf:urcu) echo 'pkgconfig(liburcu-qsbr)' ;;
    dnf:cjson) echo 'pkgconfig(libcjson)' ;;
    dnf:zstd) echo 'pkgconfig(libzstd)' ;;
    dnf:cmocka) echo 'pkgconfig(cmocka)' ;;
    *) echo "$2" ;;
    esac
}

# ---------------------------------------------------------------- distribution packages

# install_packages has let sudo ask for its password, so it need not ask again.
as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

apt()
{
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"
}

# Its first line's status says nothing of use: one broken mirror of many is a warning, and the install will tell.
# An installation that was interrupted is finished before it is repeated; apt-get refuses to work otherwise.
apt_install()
{
    logged "$logs/update.log" apt update
    logged "$logs/packages.log" apt install --yes --no-install-recommends "$@" && return 0
    if grep -q 'dpkg was interrupted\|--fix-broken' "$logs/packages.log"; then
        say 'finishing an earlier installation that was interrupted'
        logged "$logs/repair.log" as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a
        logged "$logs/repair.log" apt install --yes --fix-broken
        logged "$logs/packages.log" apt install --yes --no-install-recommends "$@" && return 0
    fi
    cat "$logs/update.log" >>"$logs/packages.log"
    return 1
}

dnf_install()
{
    logged "$logs/packages.log" as_root dnf install --assumeyes "$@"
}

# ensure_packages NEED…: installs what is not there yet; silent and quick when nothing is missing.
ensure_packages()
{
    missing=
    for need in "$@"; do
        have "$need" || missing="$missing $need"
    done
    if [ -z "$missing" ]; then
        echo 'nothing to install'
        return 0
    fi

    if command -v apt-get >/dev/null 2>&1; then
        manager=apt-get
    elif command -v dnf >/dev/null 2>&1; then
        manager=dnf
    else
        die "missing here:$missing. This distribution has neither apt-get nor dnf, so they cannot be installed for you: install them with its own package manager (docs/dependencies.md lists them) and start again."
    fi
    packages=
    for need in $missing; do
        packages="$packages $(packages_for "$manager" "$need")"
    done
    install_packages
    for need in $missing; do
        have "$need" || still_missing "$need"
    done
}

# Installs $packages with $manager, or explains why not.
install_packages()
{
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
        die "these packages are missing:$packages. Installing them needs root, and there is no sudo here: start this command as root, or ask an administrator to run: $manager install$packages"
    fi
    say "installing with $manager:$packages"
    # A password prompt belongs to the terminal, not to a log.
    if [ "$(id -u)" -ne 0 ] && [ -t 0 ] && [ -z "${CI:-}" ]; then
        sudo -v || die 'sudo was refused: start this command as root, or as a user who may use sudo.'
    fi
    # shellcheck disable=SC2086
    case $manager in
    apt-get) apt_install $packages ;;
    dnf) dnf_install $packages ;;
    esac || failed "$logs/packages.log" "$manager could not install$packages"
}

no_python()
{
    name=${PYTHON:-python3}
    die "Python 3.9 or newer with venv and ensurepip is needed, and $name ($("$name" -V 2>&1 || true)) is not that: install one and start again with PYTHON=/path/to/python3 sh tools/$me."
}

# Installed, and yet not usable: say what is there instead.
still_missing()
{
    case $1 in
    python) no_python ;;
    python-headers) die "Python.h is missing for $(find_python || echo python3): install the headers of that Python, or start again with another one, for example PYTHON=/usr/bin/python3 sh tools/$me." ;;
    meson) die "Meson 1.0 or newer is needed, and this distribution has $(meson --version 2>&1): install a newer one (for example with pipx install meson) and start again." ;;
    *) die "$1 was installed but cannot be used (packages: $(packages_for "$manager" "$1")); docs/dependencies.md says which version is needed." ;;
    esac
}

# Free space in the clone, only asked for before something large is installed.
ensure_disk()
{
    free_mb=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
    if [ -n "$free_mb" ] && [ "$free_mb" -lt "$need_mb" ]; then
        die "there are $free_mb MB free in $root, and $need_mb MB are needed: free some space, or clone to a larger disk."
    fi
}

# ---------------------------------------------------------------- virtual environment

venv_python=.venv/bin/python

# What a finished installation of a requirement file looks like; any change installs again. A virtual
# environment knows its own place, so a moved clone counts as a change too.
venv_stamp()
{
    printf '%s\n' "$root"
    "$venv_python" -V 2>&1
    cat "$1"
}

venv_works()
{
    [ -x "$venv_python" ] && "$venv_python" -m pip --version >/dev/null 2>&1 </dev/null
}

# Whether the environment was made by these scripts for this place (one made by hand has no stamp and is kept).
venv_moved()
{
    [ -f .venv/aispipe-root ] && [ "$(cat .venv/aispipe-root)" != "$root" ]
}

make_venv()
{
    python=$(find_python) || no_python
    say "creating the virtual environment .venv with $python ($("$python" -V 2>&1))"
    logged "$logs/venv.log" "$python" -m venv --clear .venv || failed "$logs/venv.log" 'the virtual environment could not be created'
    printf '%s\n' "$root" >.venv/aispipe-root
}

# Nothing of pip's stays outside the clone, and the user's own pip settings for mirrors and certificates apply.
pip_install()
{
    logged "$logs/pip.log" env PIP_NO_CACHE_DIR=1 PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$venv_python" -m pip install --no-input --progress-bar off "$@"
}

# Whether every installed package has all its files. pip takes a package whose installation was cut off for
# installed as soon as its metadata is there.
venv_is_whole()
{
    "$venv_python" - <<'END'
import sys
from importlib.metadata import distributions

for package in distributions():
    files = package.files
    name = package.metadata["Name"]
    if files is None:
        sys.exit("%s: its list of files is missing" % name)
    for file in files:
        if file.suffix in (".py", ".so") and not file.locate().exists():
            sys.exit("%s: %s is missing" % (name, file))
END
}

# ensure_venv FILE…: .venv with everything in these requirement files.
ensure_venv()
{
    unset PYTHONHOME PYTHONPATH
    if ! venv_works || venv_moved; then
        ensure_disk
        make_venv
    fi
    wanted=
    for file in "$@"; do
        stamp=.venv/aispipe-$(basename "$file" .txt)
        if [ ! -f "$stamp" ] || [ "$(venv_stamp "$file")" != "$(cat "$stamp")" ]; then
            wanted="$wanted $file"
        fi
    done
    if [ -z "$wanted" ]; then
        echo 'nothing to install'
        return 0
    fi

    ensure_disk
    say "installing Python packages into .venv (a few minutes the first time):$wanted"
    # All files each time: their version ranges are solved together.
    # shellcheck disable=SC2046
    set -- $(printf -- '-r %s ' "$@")
    pip_install "$@" || failed "$logs/pip.log" 'the Python packages could not be installed'
    if ! venv_is_whole; then
        say 'an earlier installation was interrupted: starting .venv afresh'
        make_venv
        pip_install "$@" || failed "$logs/pip.log" 'the Python packages could not be installed'
        venv_is_whole || failed "$logs/pip.log" 'the Python packages were installed but are not complete'
    fi
    # shellcheck disable=SC2086
    for file in $wanted; do
        venv_stamp "$file" >".venv/aispipe-$(basename "$file" .txt)"
    done
}

# ---------------------------------------------------------------- build

# configure DIRECTORY [MESON OPTION…]: once, and again when the options or the clone's place have changed, or
# when an earlier start was interrupted. A directory that someone set up by hand is taken as it is.
configure()
{
    directory=$1
    shift
    # The engine's place is compiled in, and changes with its version.
    wish="$root $* $(echo .venv/lib/python3*/site-packages/openvino/libs/libopenvino_c.so*)"
    if [ -f "$directory/build.ninja" ] && [ -f "$directory/meson-private/coredata.dat" ]; then
        if [ ! -f "$directory/aispipe-configured" ] || [ "$(cat "$directory/aispipe-configured")" = "$wish" ]; then
            return 0
        fi
    fi
    mkdir -p "$directory"
    find "$directory" -mindepth 1 -maxdepth 1 ! -name logs -exec rm -rf {} +
    logged "$directory/logs/setup.log" meson setup "$directory" "$@" || return 1
    printf '%s\n' "$wish" >"$directory/aispipe-configured"
}

# compile DIRECTORY [TARGET…]: prints nothing; DIRECTORY/logs/compile.log.
compile()
{
    directory=$1
    shift
    logged "$directory/logs/compile.log" meson compile -C "$directory" "$@"
}
