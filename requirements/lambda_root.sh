#!/usr/bin/env bash
# A root file system with Debian's Python 3.13 and what the Lambda runtime carries, for x86_64 or arm64:
#   requirements/lambda_root.sh ARCH FOLDER COMPILER
# COMPILER is such a folder for this machine, whose Python writes the bytecode; FOLDER itself may be it.
# Nothing of it is installed or run here: packages of the machine's own Debian mirror, checked against the archive's keys,
# are unpacked. Needs Debian with apt-get.
set -euo pipefail
arch=$1 folder=$(realpath -m "$2") compiler=$(realpath -m "$3")/root
repository=$(cd "$(dirname "$0")/.." && pwd)
case $arch in
  x86_64) debian=amd64 platform=x86_64 ;;
  arm64) debian=arm64 platform=aarch64 ;;
  *) echo "ARCH is x86_64 or arm64" >&2; exit 2 ;;
esac
packages=(python3.13-minimal libpython3.13-minimal libpython3.13-stdlib libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8
  libssl3t64 libbz2-1.0 liblzma5 libuuid1 libzstd1 libsqlite3-0)

rm -rf "$folder" && mkdir -p "$folder"/{apt/lists,apt/archives,root}
touch "$folder/apt/status"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' | grep -v security | sort -u | head -n 1)
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [arch=$debian signed-by=$keys] ${mirror:?run apt-get update first} trixie main" >"$folder/apt/sources.list"
apt() {
  (cd "$folder/apt/archives" && apt-get -qq -o Dir::Etc::sourcelist="$folder/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$folder/apt/lists" -o Dir::State::status="$folder/apt/status" -o Dir::Cache="$folder/apt" \
    -o APT::Architecture=$debian -o APT::Architectures=$debian -o APT::Sandbox::User=root "$@")
}
apt update
apt download "${packages[@]}"
root=$folder/root
for package in "$folder"/apt/archives/*.deb; do dpkg-deb --extract "$package" "$root"; done
for name in lib lib64 bin sbin; do [ ! -d "$root/usr/$name" ] || ln -sfn "usr/$name" "$root/$name"; done
# Where a sandbox mounts what changes.
mkdir -p "$root"/{dev,proc,sys,tmp,opt,etc,var/task,var/runtime} && touch "$root/emulator" "$root/qemu"
"$repository/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --no-compile \
  --only-binary=:all: --require-hashes --python-version 3.13 --implementation cp \
  --platform manylinux_2_34_$platform --platform manylinux_2_28_$platform --platform manylinux2014_$platform --platform manylinux_2_17_$platform \
  --target "$root/var/runtime" -r "$repository/requirements/lambda-runtime.txt"
PYTHONHOME=$compiler/usr "$compiler"/lib64/ld-linux-*.so.? --library-path "$(echo "$compiler"/usr/lib/*-linux-gnu)" "$compiler/usr/bin/python3.13" \
  -m compileall -q --invalidation-mode unchecked-hash -s "$root" -p / "$root/usr/lib/python3.13" "$root/var/runtime"
rm -rf "$folder/apt"
