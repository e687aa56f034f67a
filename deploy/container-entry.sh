#!/bin/sh
# In the container image: outbound with the host's variant of iptables first on PATH.
set -eu
case ${IPTABLES_VARIANT-} in
  nft | legacy) export PATH="/usr/local/lib/iptables/$IPTABLES_VARIANT:$PATH" ;;
  '')
    # Only what looks at no rules may go on without: the wrong variant sees none of the host's.
    case ${1-} in
      rules | plan | status | schema | completion | --help | --version) ;;
      *)
        echo 'Cannot start: IPTABLES_VARIANT is not set, expected nft or legacy, as "iptables --version" on the host says' >&2
        exit 2
        ;;
    esac
    ;;
  *)
    echo "Cannot start: IPTABLES_VARIANT is \"$IPTABLES_VARIANT\", expected nft or legacy" >&2
    exit 2
    ;;
esac
exec outbound "$@"
