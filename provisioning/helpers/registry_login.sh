# shellcheck shell=bash
# needs: helpers/retry.sh helpers/identity_token.sh
# Signs Docker in to an Azure container registry as the machine's managed identity, without any other tool.
#
# No token is ever in an argument, in the environment, in the log or on the disk: they pass through pipes and
# files of this step's private directory in memory, which is removed when the step ends.

readonly REGISTRY_USER=00000000-0000-0000-0000-000000000000    # what a registry calls the holder of a token
readonly REGISTRY_AUDIENCE=https://containerregistry.azure.net # a registry may refuse tokens for Resource Manager

readonly NOT_YET_ALLOWED='unauthorized|denied|authentication required' # Docker's words for the same
# A new role assignment is known everywhere after up to ten minutes
# (https://learn.microsoft.com/azure/role-based-access-control/troubleshooting): so many tries, with growing pauses.
readonly ROLE_TRIES=14

login_to_registry() {
  export DOCKER_CONFIG=$WORK/docker
  (umask 077 && mkdir -- "$DOCKER_CONFIG")
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
