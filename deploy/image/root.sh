#!/bin/sh
# Lays out the final image: root.sh BINARY FOLDER. Runs in the build stage of the Dockerfile, on
# Debian.
set -eu
binary=$1
root=$2

mkdir -p "$root/etc/ssl/certs" "$root/usr/local/bin" "$root/var/lib/dpkg/status.d"
install -m 0755 "$binary" "$root/usr/local/bin/glance-revert"
install -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
mkdir -m 1777 "$root/tmp"
echo 'glance-revert:x:65532:65532:glance-revert:/:/sbin/nologin' >"$root/etc/passwd"
echo 'glance-revert:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

# The loader and the libraries, at the paths where the loader finds them.
libraries=$(ldd "$binary" | sed -n 's/.*[[:space:]]\(\/[^ ]*\) (0x.*/\1/p')
for library in $libraries; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done

# dpkg knows a file by its path under /lib or under /usr/lib, depending on its package.
owner() {
    dpkg-query -S "$1" "$(readlink -f "$1")" "${1#/usr}" 2>/dev/null | sed -n '1s/[:,].*//p'
}
for file in $libraries /usr/sbin/update-ca-certificates; do
    package=$(owner "$file")
    [ -n "$package" ] || { echo "root.sh: no package owns $file" >&2; exit 1; }
    dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"
    mkdir -p "$root/usr/share/doc/$package"
    cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
done
