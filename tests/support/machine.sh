#!/usr/bin/env bash
# A machine for one test: systemd as process 1 of namespaces of its own, over a copy-on-write view of this machine's
# root that is gone afterwards.
#
#   machine.sh DIRECTORY FILE=PLACE...
#
# Everything lies below DIRECTORY, which the machine sees as /share. Each FILE is seen at PLACE. It runs until it is
# killed; the process that matters is the only child of ours. Needs root, and a kernel that allows namespaces.
set -eu

if [ "${1:-}" != --inside ]; then
    directory=$1
    # Its own branch of the control groups, since systemd takes the root of what it sees.
    groups=/sys/fs/cgroup/unified
    [ -d $groups ] || groups=/sys/fs/cgroup
    branch=$groups/headcount-test-$$
    mkdir "$branch"
    echo "$branch" >"$directory/branch"
    echo $$ >"$branch/cgroup.procs"
    # Whoever started us may be killed without a word; then this goes too.
    exec setsid setpriv --pdeathsig KILL unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child --propagation private \
        bash "$0" --inside "$@"
fi

shift
directory=$1
shift
mkdir "$directory/disk"
mount -t tmpfs -o mode=755 tmpfs "$directory/disk"
mkdir "$directory/disk/changed" "$directory/disk/work" "$directory/disk/root"
root=$directory/disk/root
mount -t overlay -o "lowerdir=/,upperdir=$directory/disk/changed,workdir=$directory/disk/work" overlay "$root"

# What a kernel shows. Its switches are read only: they are the real machine's.
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"

mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in full null random tty urandom zero; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"

mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/share"
mount --bind "$directory" "$root/share"
# What was written since the boot, for tests that ask what is left of something.
mkdir "$directory/changed"
mount --bind "$directory/disk/changed" "$root/share/changed"
for pair in "$@"; do
    mkdir -p "$(dirname "$root${pair#*=}")"
    [ -e "$root${pair#*=}" ] || touch "$root${pair#*=}"
    mount --bind "${pair%%=*}" "$root${pair#*=}"
done

hostname headcount-test
ip link set lo up

# Nothing starts but systemd itself and its journal; nothing reaches for the real machine's devices, clock or kernel.
rm -rf "$root"/etc/systemd/system/*.wants
: >"$root/etc/fstab"
for unit in apparmor.service dev-hugepages.mount dev-mqueue.mount getty.target kmod-static-nodes.service \
    ldconfig.service networking.service proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount systemd-binfmt.service systemd-firstboot.service \
    systemd-hwdb-update.service systemd-journald-audit.socket systemd-logind.service \
    systemd-machine-id-commit.service systemd-modules-load.service systemd-networkd.service \
    systemd-random-seed.service systemd-remount-fs.service systemd-sysctl.service systemd-timesyncd.service \
    systemd-udev-trigger.service systemd-udevd.service systemd-update-utmp.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

cd "$root"
mkdir -p .outside
pivot_root . .outside
umount -l /.outside
# Units make private views of their own from this one, and need it to be shared for credentials.
mount --make-rshared /
exec -c env container=headcount-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=0
