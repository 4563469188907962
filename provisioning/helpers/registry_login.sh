# shellcheck shell=bash
# needs: helpers/retry.sh helpers/identity_token.sh helpers/key_vault.sh
# Signs Docker in to container registries: to those of Azure as one of the machine's managed identities, to others as a
# user whose password is in Key Vault.
#
# No token and no password is ever in an argument, in the environment, in the log or on the disk: they pass through pipes and
# files of this step's private directory in memory, which is removed when the step ends.

readonly REGISTRY_USER=00000000-0000-0000-0000-000000000000    # what a registry calls the holder of a token
readonly REGISTRY_AUDIENCE=https://containerregistry.azure.net # a registry may refuse tokens for Resource Manager

readonly NOT_YET_ALLOWED='unauthorized|denied|authentication required' # Docker's words for the same
# A new role assignment is known everywhere after up to ten minutes
# (https://learn.microsoft.com/azure/role-based-access-control/troubleshooting): so many tries, with growing pauses.
readonly ROLE_TRIES=14

login_to_registries() {
  local server kind name secret
  export DOCKER_CONFIG=$WORK/docker
  (umask 077 && mkdir -- "$DOCKER_CONFIG")
  [[ -z ${REGISTRY_LOGIN_SERVER:-} ]] || login_to_registry
  while read -r server kind name secret; do
    case $kind in
      identity) login_as_identity "$server" "$name" ;;
      vault) login_with_password "$server" "$name" "$secret" ;;
      *) ;;
    esac
  done <<<"${REGISTRIES:-}"
}

login_as_identity() { # SERVER RESOURCE_ID
  local REGISTRY_LOGIN_SERVER=$1 IDENTITY_CLIENT_ID='' IDENTITY_RESOURCE_ID=$2
  login_to_registry
}

login_with_password() { # SERVER USER SECRET
  local IDENTITY_CLIENT_ID=$VAULT_CLIENT_ID
  fetch_secrets "password $3"
  attempt "$EXIT_REGISTRY_LOGIN" "docker login to $1" 5 5 docker_login_with_password "$1" "$2"
  rm -f -- "$WORK/secret.password"
}

docker_login_with_password() { # SERVER USER
  python -c 'import json, sys; sys.stdout.write(json.load(open(sys.argv[1]))["value"])' "$WORK/secret.password" |
    docker login --username "$2" --password-stdin "$1"
}

login_to_registry() {
  RETRY_ALSO=$NOT_YET
  attempt "$EXIT_REGISTRY_LOGIN" 'token of the managed identity' "$ROLE_TRIES" 5 fetch_identity_token "$REGISTRY_AUDIENCE"
  attempt "$EXIT_REGISTRY_LOGIN" "token exchange with $REGISTRY_LOGIN_SERVER" "$ROLE_TRIES" 5 exchange_token
  RETRY_ALSO=$NOT_YET_ALLOWED
  attempt "$EXIT_REGISTRY_LOGIN" "docker login to $REGISTRY_LOGIN_SERVER" "$ROLE_TRIES" 5 docker_login
  RETRY_ALSO=''
  rm -f -- "$WORK"/identity.json "$WORK"/exchange.form "$WORK"/exchange.json
}

exchange_token() {
  (
    umask 077
    python -c '
import json, sys, urllib.parse
token = json.load(open(sys.argv[1]))["access_token"]
form = {"grant_type": "access_token", "service": sys.argv[2], "tenant": sys.argv[3], "access_token": token}
sys.stdout.write(urllib.parse.urlencode({key: value for key, value in form.items() if value}))' \
      "$WORK/identity.json" "$REGISTRY_LOGIN_SERVER" "${TENANT_ID:-}" >"$WORK/exchange.form" &&
      curl -fsS --proto '=https' --max-time 30 --data-binary "@$WORK/exchange.form" -o "$WORK/exchange.json" \
        "https://$REGISTRY_LOGIN_SERVER/oauth2/exchange"
  )
}

docker_login() {
  python -c 'import json, sys; sys.stdout.write(json.load(open(sys.argv[1]))["refresh_token"])' "$WORK/exchange.json" |
    docker login --username "$REGISTRY_USER" --password-stdin "$REGISTRY_LOGIN_SERVER"
}
