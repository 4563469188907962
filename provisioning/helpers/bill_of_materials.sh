# shellcheck shell=bash
# needs: helpers/host.sh helpers/images.sh helpers/gpu_checks.sh
# The image's bill of materials, CycloneDX 1.6: what the package database knows, the driver where no package brought
# it, and the preloaded container images by digest. Nothing is installed for it; the app adds the image's own name.

write_bill_of_materials() { # REFERENCE...; leaves it for the frame to print; an image without one is no worse for it
  local sources=$WORK/bom
  mkdir -p -- "$sources"
  if installed_list >"$sources/packages" && container_list "$@" >"$sources/images" && driver_list >"$sources/driver" &&
    compose_bill_of_materials "$sources" >"$sources/bom.json"; then
    mv -- "$sources/bom.json" "$WORK/bom.json"
    add_data packages "$(wc -l <"$sources/packages")"
  else
    log 'the bill of materials cannot be written'
  fi
}

installed_list() { # a line each: NAME VERSION ARCHITECTURE [EPOCH]; a deb's epoch is part of its version
  if [[ $(os_release_value ID) =~ ^(ubuntu|debian)$ ]]; then
    dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version} ${Architecture}\n' -- '*' | sed -n 's/^[ih]i //p'
  else
    rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE} %{ARCH} %{EPOCHNUM}\n' | sed '/^gpg-pubkey /d'
  fi
}

container_list() { # REFERENCE...; a line each: REFERENCE DIGEST
  local image
  for image in "$@"; do printf '%s %s\n' "$image" "$(image_digest "$image")" || return; done
}

driver_list() { # GRID's installer is no package; it leaves a way back
  [[ -z $DRIVER_FOUND || ! -e $ROOT/usr/bin/nvidia-uninstall ]] || printf 'nvidia-grid-driver %s\n' "$DRIVER_FOUND"
}

compose_bill_of_materials() { # DIRECTORY_OF_SOURCES; Python 3.6 is the oldest here, and only its own library
  python -c '
import json, os, re, sys, urllib.parse
folder, system, release, kernel, moment, serial = sys.argv[1:]

def rows(name):
    with open(os.path.join(folder, name)) as file:
        return [line.split() for line in file if line.strip()]

def quote(text):
    return urllib.parse.quote(text, safe="").replace("%3A", ":")

def package(name, version, architecture, epoch=""):
    kind = "rpm" if epoch else "deb"
    about = {"arch": architecture, "distro": "%s-%s" % (system, release)}
    if epoch not in ("", "0"):
        about["epoch"] = epoch
    query = "&".join("%s=%s" % (key, quote(about[key])) for key in sorted(about))
    purl = "pkg:%s/%s/%s@%s?%s" % (kind, quote(system), quote(name), quote(version), query)
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}

def container(reference, digest=""):
    name, tag = re.match("(.*?)(?::([^:/@]+))?(?:@.*)?$", reference).groups()
    found = {"type": "container", "bom-ref": "container:" + reference, "name": name, "version": digest or tag or ""}
    if digest:
        query = "repository_url=%s" % urllib.parse.quote(name, safe="/:") + ("&tag=" + quote(tag) if tag else "")
        found["purl"] = "pkg:oci/%s@%s?%s" % (quote(name.split("/")[-1].lower()), quote(digest), query)
        found["hashes"] = [{"alg": "SHA-256", "content": digest.split(":")[1]}]
    return found

def driver(name, version):
    return {"type": "device-driver", "bom-ref": name, "name": name, "version": version}

base = {"type": "operating-system", "bom-ref": "system", "name": system, "version": release}
found = [base] + [package(*row) for row in rows("packages")] + [container(*row) for row in rows("images")]
found += [driver(*row) for row in rows("driver")]
unique = {component["bom-ref"]: component for component in found}
print(json.dumps({
    "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:" + serial, "version": 1,
    "metadata": {"timestamp": moment, "component": base, "properties": [{"name": "batch-prep:kernel", "value": kernel}]},
    "components": list(unique.values()),
}, separators=(",", ":")))' "$1" "$(os_release_value ID)" "$(os_release_value VERSION_ID)" "$(uname -r)" \
    "$(TZ=UTC printf '%(%FT%TZ)T' -1)" "$(<"$ROOT/proc/sys/kernel/random/uuid")"
}
