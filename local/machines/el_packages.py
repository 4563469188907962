"""What the repositories of an el machine hold, and the other files that its steps download.

Docker and kernel are Debian's, packed anew. The rest are stand-ins: packages without content, a
script for NVIDIA's container toolkit, and a small module that the driver's package and GRID's
installer let DKMS really build.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from local.machines import kit, rpms, shell

RELEASE = "9.6"
OLD_KERNEL = "6.1.0-46.el9.x86_64"
KERNEL = "6.1.0-47.el9.x86_64"
DEBIAN_KERNEL = "6.1.0-47-cloud-amd64"
GRID = "570.211.01"
GRID_ADDRESS = (
    "download.microsoft.com/download/2a04ca6a-9eec-40d9-9564-9cdea1ab795f/"
    f"NVIDIA-Linux-x86_64-{GRID}-grid-azure.run"
)
DISTRIBUTION = "repo.almalinux.org"
_EMPTY = (
    *("ca-certificates", "curl", "python3", "gnupg2", "python3-dnf-plugin-versionlock"),
    *("container-selinux", "gcc", "make", "elfutils-libelf-devel"),
)
_CTK = """\
#!/usr/bin/python3
# Stands in for nvidia-ctk: registers a runtime, which is runc.
import json, os, sys
if sys.argv[1:] == ["--version"]:
    print("NVIDIA Container Toolkit CLI version @VERSION@")
elif sys.argv[1:3] == ["runtime", "configure"]:
    [path] = [word.partition("=")[2] for word in sys.argv if word.startswith("--config=")]
    known = json.load(open(path)) if os.path.exists(path) else {}
    runtime = {"args": [], "path": "nvidia-container-runtime"}
    known.setdefault("runtimes", {})["nvidia"] = runtime
    json.dump(known, open(path, "w"), indent=4)
else:
    sys.exit(f"not known here: {sys.argv[1:]}")
"""
_MODULE = """\
#include <linux/module.h>
MODULE_LICENSE("GPL");
MODULE_VERSION("@VERSION@");
MODULE_DESCRIPTION("stands in for NVIDIA's module");
"""
_DKMS = """\
PACKAGE_NAME="nvidia"
PACKAGE_VERSION="@VERSION@"
BUILT_MODULE_NAME[0]="nvidia"
DEST_MODULE_LOCATION[0]="/kernel/drivers/video"
MAKE[0]="make -C $kernel_source_dir M=$dkms_tree/nvidia/@VERSION@/build modules"
CLEAN="true"
AUTOINSTALL="yes"
"""
_BUILD = """\
kernel=$(uname -r)
dkms add -m nvidia -v @VERSION@ && dkms build -m nvidia -v @VERSION@ -k "$kernel" &&
  dkms install -m nvidia -v @VERSION@ -k "$kernel" --force
"""
_FABRIC_UNIT = """\
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""
_GRID = """\
#!/bin/sh
# Stands in for GRID's installer, as Microsoft redistributes it.
set -e
[ "$1 $2" = "--silent --dkms" ]
mkdir -p /usr/src/nvidia-@VERSION@ /etc/nvidia
cat >/usr/src/nvidia-@VERSION@/nvidia.c <<'END'
SOURCE
END
echo 'obj-m := nvidia.o' >/usr/src/nvidia-@VERSION@/Makefile
cat >/usr/src/nvidia-@VERSION@/dkms.conf <<'END'
CONFIGURATION
END
BUILD
printf 'FeatureType=0\\nServerAddress=\\n' >/etc/nvidia/gridd.conf.template
printf '#!/bin/sh\\nexit 9\\n' >/usr/bin/nvidia-smi
chmod 0755 /usr/bin/nvidia-smi
cp /usr/bin/nvidia-smi /usr/bin/nvidia-uninstall
"""


def fill_sites(workshop: rpms.Workshop, home: Path, sites: Path, made: kit.Kit) -> None:
    docker = sites / "download.docker.com/linux/rhel"
    cuda = sites / "developer.download.nvidia.com/compute/cuda/repos/rhel9/x86_64"
    toolkit = sites / "nvidia.github.io/libnvidia-container"
    epel = sites / "dl.fedoraproject.org/pub/epel"
    _build_distribution(workshop, home, sites / DISTRIBUTION / "almalinux/9/BaseOS")
    _build_docker(workshop, made, docker / "9/x86_64/stable")
    _build_toolkit(workshop, toolkit / "stable/rpm/x86_64")
    _build_driver(workshop, home, cuda)
    # As in EPEL's: so the headers are there when a package asks DKMS to build.
    dkms = rpms.Rpm(name="dkms", version="3.2.2", requires="kernel-devel")
    workshop.build(dkms, epel / "9/Everything/x86_64")
    workshop.index(epel / "9/Everything/x86_64")
    workshop.export_key(
        docker / "gpg",
        cuda / kit.catalogue_value("CUDA_RPM_KEY"),
        toolkit / "gpgkey",
        epel / "RPM-GPG-KEY-EPEL-9",
    )
    file = sites / GRID_ADDRESS
    file.parent.mkdir(parents=True)
    text = _GRID.replace("SOURCE\n", _MODULE).replace("CONFIGURATION\n", _DKMS)
    file.write_text(text.replace("BUILD\n", _BUILD).replace("@VERSION@", GRID))


def _build_distribution(workshop: rpms.Workshop, home: Path, pool: Path) -> None:
    for name in _EMPTY:
        workshop.build(rpms.Rpm(name=name, version="1"), pool)
    workshop.build(rpms.Rpm(name="bash", version="5", provides="/bin/sh"), pool)
    release = "system-release = 9, system-release(releasever) = 9"
    workshop.build(rpms.Rpm(name="almalinux-release", version=RELEASE, provides=release), pool)
    for kernel in (OLD_KERNEL, KERNEL):
        version, _, rest = kernel.partition("-")
        release = rest.removesuffix(".x86_64")
        provides = f"kernel = {version}-{release}, installonlypkg(kernel)"
        tree = _kernel_tree(home, kernel)
        workshop.build(
            rpms.Rpm(
                name="kernel-core",
                version=version,
                release=release,
                tree=tree,
                provides=provides,
                after=f"depmod {kernel}",
            ),
            pool,
        )
    devel = home / "devel"
    (devel / "usr/src/kernels").mkdir(parents=True)
    (devel / "usr/src/kernels" / KERNEL).symlink_to(f"/usr/src/linux-headers-{DEBIAN_KERNEL}")
    workshop.build(
        rpms.Rpm(
            name="kernel-devel",
            version=version,
            release=release,
            tree=devel,
            provides="installonlypkg(kernel)",
        ),
        pool,
    )
    workshop.index(pool)


def _kernel_tree(home: Path, kernel: str) -> Path:
    """Debian's kernel under an el name."""
    tree = home / "kernel"
    shell.run("dpkg-deb", "--extract", str(home / "kernel.deb"), str(tree))
    for folder in ("usr", "boot"):
        for path in (tree / folder).glob("*"):
            if path.name != f"vmlinuz-{DEBIAN_KERNEL}":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    (tree / f"boot/vmlinuz-{DEBIAN_KERNEL}").rename(tree / f"boot/vmlinuz-{kernel}")
    modules = tree / "usr/lib/modules"
    modules.mkdir(parents=True, exist_ok=True)
    (tree / "lib/modules" / DEBIAN_KERNEL).rename(modules / kernel)
    shutil.rmtree(tree / "lib")
    (modules / kernel / "build").unlink(missing_ok=True)
    (modules / kernel / "source").unlink(missing_ok=True)
    (modules / kernel / "build").symlink_to(f"/usr/src/kernels/{kernel}")
    return tree


def _build_docker(workshop: rpms.Workshop, made: kit.Kit, pool: Path) -> None:
    versions = {
        "containerd.io": kit.catalogue_value("CATALOGUE_CONTAINERD_VERSION"),
        "docker-ce-cli": made.docker_version,
        "docker-ce": made.docker_version,
    }
    for name, version in versions.items():
        [archive] = made.docker.glob(f"pool/{name}_*.deb")
        tree = made.home.parent / "unfinished-docker"
        shell.run("dpkg-deb", "--extract", str(archive), str(tree))
        if (tree / "lib").exists():
            shell.run("cp", "-a", f"{tree}/lib/.", f"{tree}/usr/lib/")
            shutil.rmtree(tree / "lib")
        workshop.build(
            rpms.Rpm(
                name=name,
                version=version,
                release="1.el9",
                tree=tree,
                requires="containerd.io, docker-ce-cli" if name == "docker-ce" else "",
                before="getent group docker >/dev/null || groupadd --system docker",
                after="systemctl daemon-reload || true",
            ),
            pool,
        )
    workshop.index(pool)


def _build_toolkit(workshop: rpms.Workshop, pool: Path) -> None:
    version = kit.catalogue_value("CATALOGUE_TOOLKIT_VERSION")
    tree = pool / "tree"
    write_program(tree / "usr/bin/nvidia-ctk", _CTK.replace("@VERSION@", version))
    (tree / "usr/bin/nvidia-container-runtime").symlink_to("/usr/sbin/runc")
    workshop.build(rpms.Rpm(name="nvidia-container-toolkit", version=version, tree=tree), pool)
    libraries = ("libnvidia-container-tools", "libnvidia-container1")
    for name in ("nvidia-container-toolkit-base", *libraries):
        workshop.build(rpms.Rpm(name=name, version=version), pool)
    workshop.index(pool)


def _build_driver(workshop: rpms.Workshop, home: Path, pool: Path) -> None:
    version = kit.catalogue_value("CATALOGUE_DRIVER_VERSION")
    source = home / "driver"
    folder = source / f"usr/src/nvidia-{version}"
    folder.mkdir(parents=True)
    for name, text in {
        "nvidia.c": _MODULE,
        "Makefile": "obj-m := nvidia.o\n",
        "dkms.conf": _DKMS,
    }.items():
        (folder / name).write_text(text.replace("@VERSION@", version))
    kmod, build = "kmod-nvidia-open-dkms", _BUILD.replace("@VERSION@", version)
    smi, fabric = home / "smi", home / "fabric"
    write_program(smi / "usr/bin/nvidia-smi", "#!/bin/sh\nexit 9\n")
    unit = fabric / "usr/lib/systemd/system/nvidia-fabricmanager.service"
    write_program(unit, _FABRIC_UNIT)
    for package in (
        rpms.Rpm(name=kmod, version=version, tree=source, requires="dkms", after=build),
        rpms.Rpm(name="nvidia-open", version=version, requires=kmod),
        rpms.Rpm(name="nvidia-driver-cuda", version=version, tree=smi),
        rpms.Rpm(name="nvidia-fabricmanager", version=version, tree=fabric),
    ):
        workshop.build(package, pool)
    workshop.index(pool, module="nvidia-driver", stream=f"{version.split('.')[0]}-open")


def write_program(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
