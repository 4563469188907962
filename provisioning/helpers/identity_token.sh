# shellcheck shell=bash
# needs: helpers/host.sh
# A token of one of the machine's managed identities, from the metadata service.

# A fresh identity, or its role, needs minutes until everyone knows it; 410 and 404 are the metadata service's own
# "not yet" (https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token).
readonly NOT_YET='returned error: (401|403|404|410)'

fetch_identity_token() { # AUDIENCE; leaves identity.json
  local query="api-version=2018-02-01&resource=${1//:/%3A}"
  [[ -z ${IDENTITY_CLIENT_ID:-} ]] || query+="&client_id=$IDENTITY_CLIENT_ID"
  [[ -z ${IDENTITY_RESOURCE_ID:-} ]] || query+="&msi_res_id=$IDENTITY_RESOURCE_ID"
  (umask 077 && curl -fsS --noproxy '*' --max-time 20 -H 'Metadata: true' -o "$WORK/identity.json" \
    "${IMDS_URL}/metadata/identity/oauth2/token?$query")
}
