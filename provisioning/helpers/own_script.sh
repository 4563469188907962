# shellcheck shell=bash
# needs: helpers/host.sh
# Executes a script of the image's owner: with an environment that holds nothing of ours, for a limited time, and with
# its secrets left out of the log.

readonly OWN_KILL_AFTER_SECONDS=10
# Writes NAME=VALUE, each ended by a NUL: what every script gets, then the owner's variables, then the secrets. The
# secrets alone go to the second file.
readonly WRITE_ENVIRONMENT='
import base64, json, os, sys
folder, home, user = sys.argv[1:4]
variables = {"PATH": os.environ["PATH"], "HOME": home, "USER": user, "LOGNAME": user, "LANG": "C.UTF-8",
             "DEBIAN_FRONTEND": "noninteractive"}
given = base64.b64decode(os.environ.get("OWN_ENVIRONMENT", "")).decode()
variables.update(pair.split("=", 1) for pair in given.split("\0") if pair)
secrets = {}
for line in os.environ.get("OWN_SECRETS", "").splitlines():
    name = line.split()[0]
    with open(os.path.join(folder, "secret." + name), encoding="utf-8") as answer:
        secrets[name] = json.load(answer)["value"]
    if "\0" in secrets[name]:
        sys.exit("the secret for " + name + " holds a NUL character")
for file, text in (("environment", {**variables, **secrets}), ("secrets", secrets)):
    with open(os.path.join(folder, file), "w", encoding="utf-8") as target:
        target.write("".join(name + "=" + value + "\0" for name, value in text.items()))
'
# The owner's PATH is the script's: the programs that run it are looked up in ours.
readonly EXECUTE='
import os, shutil, sys
with open(sys.argv[1], "rb") as file:
    environment = dict(pair.split(b"=", 1) for pair in file.read().split(b"\0") if pair)
os.execve(shutil.which(sys.argv[2]), sys.argv[2:], environment)
'
# Copies its input without the secrets. It ends with its input, or once the script has: what the script has left
# running may keep its output open for ever.
readonly MASK='
import os, select, sys
with open(sys.argv[1], "rb") as file:
    values = [pair.split(b"=", 1)[1] for pair in file.read().split(b"\0") if pair]
hidden = sorted({line.strip() for value in values for line in value.splitlines() if len(line.strip()) > 3}, key=len)
def write(text):
    for value in reversed(hidden):
        text = text.replace(value, b"***")
    os.write(1, text)
rest = b""
while True:
    if select.select([0], [], [], 0.1)[0]:
        piece = os.read(0, 65536)
        if not piece:
            break
        lines, end, rest = (rest + piece).rpartition(b"\n")
        write(lines + end)
        if len(rest) > 1000000:
            write(rest)
            rest = b""
    elif os.path.exists(sys.argv[2]):
        break
write(rest)
'

write_own_environment() { # HOME USER
  (umask 077 && python -c "$WRITE_ENVIRONMENT" "$WORK" "$1" "$2") ||
    fail "$EXIT_SECRET" "a secret of step $OWN_NAME cannot be the value of a variable"
  rm -f -- "$WORK"/secret.*
}

execute_own() { # SECONDS COMMAND...; its exit code
  local rc=0 out masker seconds=$1
  shift
  local command=(python -c "$EXECUTE" "$WORK/environment" timeout -k "$OWN_KILL_AFTER_SECONDS" "$seconds" "$@")
  if [[ ! -s $WORK/secrets ]]; then
    "${command[@]}" || rc=$?
  else
    exec {out}> >(python -c "$MASK" "$WORK/secrets" "$WORK/ended")
    masker=$!
    "${command[@]}" >&"$out" 2>&1 || rc=$?
    exec {out}>&-
    : >"$WORK/ended"
    wait "$masker" || log "the output could not be copied: $?"
  fi
  rm -f -- "$WORK/environment" "$WORK/secrets"
  return "$rc"
}
