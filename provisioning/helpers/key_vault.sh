# shellcheck shell=bash
# needs: helpers/retry.sh helpers/identity_token.sh
# Secrets of Azure Key Vault, read as the machine's managed identity.
#
# No token and no secret is ever in an argument, in the log or on the disk: they are in files of this step's private
# directory in memory, which is removed when the step ends.

# https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates
readonly VAULT_SECRET='^https://[A-Za-z0-9-]{3,24}\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)/secrets/[A-Za-z0-9-]{1,127}(/[0-9a-f]{32})?$'
readonly VAULT_API_VERSION=7.4
readonly IDENTITY_TRIES=10 # it is attached to the machine a moment before

fetch_secrets() { # LINES; each is NAME URL; leaves secret.NAME with Key Vault's answer
  local name url host
  while read -r name url; do
    [[ -n $name ]] || continue
    host=${url#https://}
    host=${host%%/*}
    RETRY_ALSO='returned error: (404|410)'
    attempt "$EXIT_SECRET" 'token of the managed identity for Key Vault' "$IDENTITY_TRIES" 5 \
      fetch_identity_token "https://${host#*.}"
    RETRY_ALSO=''
    (umask 077 && write_authorization)
    attempt "$EXIT_SECRET" "secret for $name from $host" 5 5 fetch_secret "$name" "$url"
    rm -f -- "$WORK/identity.json" "$WORK/authorization"
  done <<<"$1"
}

write_authorization() {
  python -c 'import json, sys; print("Authorization: Bearer " + json.load(open(sys.argv[1]))["access_token"])' \
    "$WORK/identity.json" >"$WORK/authorization"
}

fetch_secret() { # NAME URL
  (umask 077 && curl -fsS --proto '=https' --max-time 30 -H "@$WORK/authorization" -o "$WORK/secret.$1" \
    "$2?api-version=$VAULT_API_VERSION")
}
