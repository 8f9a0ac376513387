#!/bin/sh
# emulate.sh DIRECTORY KERNEL SAMPLE PROGRAM...: runs static C tests on an emulated PC with AVX-512 (Bochs), for machines without.
#
# qemu has no AVX-512, and Bochs emulates whole computers: the programs go into the first file system of a Linux kernel that boots
# from a CD and writes to a serial line. To boot takes some two minutes, the tests 100 to 1000 times as long as without emulation.
set -eu
directory=$1 kernel=$2 sample=$3
shift 3
[ -f "$kernel" ] || { echo "no kernel '$kernel': unpack one (Debian: linux-image-amd64), and say KERNEL=..." >&2; exit 1; }
for tool in bochs bochs-bin busybox cpio script xorriso; do
  command -v $tool > /dev/null || { echo "$tool is needed (CONTRIBUTING.md lists the packages)" >&2; exit 1; }
done
rm -rf "$directory"
mkdir -p "$directory/root/bin" "$directory/root/proc" "$directory/cd/isolinux"
cp "$(command -v busybox)" "$@" "$directory/root/bin"
cp "$kernel" "$directory/cd/kernel"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$directory/cd/isolinux"
cd "$directory"

cat > root/init <<END
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox grep -q avx512dq /proc/cpuinfo || echo "there is no AVX-512"
failed=0
for program in $(for program in "$@"; do basename "$program"; done | tr '\n' ' '); do
  OMP_WAIT_POLICY=passive /bin/\$program -s $sample || failed=1
done
echo "emulated, failed=\$failed"
while :; do /bin/busybox sleep 60; done
END
chmod +x root/init
(cd root && find . | cpio -o -H newc --quiet) > cd/files

# The size that Bochs tells for XSAVEC is not what Linux computes, which would switch off XSAVE and AVX: noxsaves, clearcpuid.
cat > cd/isolinux/isolinux.cfg <<'END'
DEFAULT linux
LABEL linux
  KERNEL /kernel
  INITRD /files
  APPEND console=ttyS0,115200 noxsaves clearcpuid=321,323 nokaslr mitigations=off lpj=4000000 tsc=reliable no_timer_check nosmp noapic nolapic acpi=off pci=off nowatchdog loglevel=3 i8042.noaux i8042.nokbd
END
xorriso -as mkisofs -quiet -o boot.iso -b isolinux/isolinux.bin -c isolinux/boot.cat \
  -no-emul-boot -boot-load-size 4 -boot-info-table cd

cat > bochsrc <<END
display_library: term
megs: 512
cpu: model=corei7_skylake_x, count=1, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
clock: sync=none, time0=utc
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$PWD/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$PWD/serial
log: $PWD/log
panic: action=fatal
END
echo c > continue # Debian's Bochs begins in its debugger
: > serial
TERM=xterm script -qefc "exec bochs -q -unlock -rc continue -f bochsrc" /dev/null > screen < /dev/null &
bochs=$!
trap 'kill $bochs 2> /dev/null || true' EXIT
tail -f -n +1 --pid=$bochs serial &
while kill -0 $bochs 2> /dev/null && ! grep -q '^emulated, ' serial; do sleep 1; done
sleep 1
grep -q '^emulated, failed=0' serial && ! grep -q 'there is no AVX-512' serial
