#!/bin/sh
# Installs, upgrades, rolls back or removes outbound on one Nomad client, as root. `install.sh --help` says how.
#
# For any POSIX shell with coreutils. Everything is checked before the first change; each file takes its place by one
# rename, when it is whole and on the disk. A run that is killed anywhere is made good by running it again.
set -eu
umask 077
export LC_ALL=C PATH="${PATH:-}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"

usage() {
  cat <<'END'
usage: install.sh [--from DIR] [--conflist FILE]... [options]    install or upgrade
       install.sh --rollback [options]                           undo the last run that changed something
       install.sh --uninstall [--force] [options]                remove outbound and all that it made

  --from DIR            has outbound or outbound-linux-ARCH, SHA256SUMS, and what is to go into the CNI
                        configuration, *.conflist; default: where this script is
  --executable FILE     instead of the one in --from
  --checksums FILE      instead of SHA256SUMS in --from; it must list the executable
  --conflist FILE       instead of those in --from; may be given again
  --no-conflist         install none
  --replace-conflist    also those that somebody changed; else these stay, and the new one is put beside, as .new
  --systemd             install outbound-watch.service too, from --from; it is not started
  --cni-path DIR        Nomad's cni_path, one folder; default /opt/cni/bin
  --cni-config-dir DIR  Nomad's cni_config_dir; default /opt/cni/config
  --unit-dir DIR        default /etc/systemd/system
  --state-dir DIR, --cache-dir DIR    where the conflist names others than the defaults; for --uninstall
  --force               with --uninstall: also while allocations are attached. They run on unfiltered, and
                        Nomad cannot take their networks down

Exit code 0: done, or nothing to do; 1: failed, with what and why on stderr; 2: wrong usage.
END
}

main() {
  parse_arguments "$@"
  [ "$(id -u)" -eq 0 ] || die "Cannot $action outbound: user $(id -un) is not root, run it as root"
  [ "$(uname -s)" = Linux ] || die "Cannot $action outbound: this is $(uname -s), it runs on Linux only"
  record="$cni_path/outbound.installed"
  trap clean_up EXIT
  trap 'exit 130' HUP INT TERM
  case $action in
    install) install_all ;;
    'roll back') roll_back ;;
    uninstall) uninstall ;;
  esac
}

parse_arguments() {
  action=install from=$(dirname "$0") executable='' checksums='' conflists='' is_conflist_named=no with_conflist=yes
  replace_conflist=no systemd=no force=no cni_path=/opt/cni/bin cni_config_dir=/opt/cni/config
  unit_dir=/etc/systemd/system state_dir='' cache_dir=''
  made='' stage='' beside='' hidden='' changes=0 is_recorded=no
  while [ $# -gt 0 ]; do
    case $1 in
      --from | --executable | --checksums | --conflist | --cni-path | --cni-config-dir | --unit-dir | --state-dir | --cache-dir)
        if [ -z "${2:-}" ]; then die "Cannot use $1: it needs a value" 2; fi
        take_value "$1" "$2"
        shift
        ;;
      --no-conflist) with_conflist=no ;;
      --replace-conflist) replace_conflist=yes ;;
      --systemd) systemd=yes ;;
      --force) force=yes ;;
      --rollback) action='roll back' ;;
      --uninstall) action=uninstall ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) die "Cannot use $1: install.sh has no such option, see --help" 2 ;;
    esac
    shift
  done
  if [ "$with_conflist" = no ] && [ -n "$conflists" ]; then die 'Cannot use --no-conflist: --conflist is given too' 2; fi
}

take_value() {
  case $1 in
    --from) from=$2 ;;
    --executable) executable=$2 ;;
    --checksums) checksums=$2 ;;
    --conflist)
      is_conflist_named=yes
      conflists="$conflists$2
"
      ;;
    --state-dir) state_dir=$2 ;;
    --cache-dir) cache_dir=$2 ;;
    *)
      case $2 in
        *:*) die "Cannot use $1: $2 is more than one folder, name the one to install to" 2 ;;
        /*) ;;
        *) die "Cannot use $1: $2 is not absolute" 2 ;;
      esac
      case $1 in
        --cni-path) cni_path=${2%/} ;;
        --cni-config-dir) cni_config_dir=${2%/} ;;
        --unit-dir) unit_dir=${2%/} ;;
      esac
      ;;
  esac
}

# --- install ---

install_all() {
  find_sources
  check_host
  check_sums
  make_folder "$cni_path"
  take_lock
  [ "$with_conflist" = no ] || make_folder "$cni_config_dir"
  [ "$systemd" = no ] || make_folder "$unit_dir"
  make_stage
  copy "$executable" "$stage/outbound" 0700
  check_candidate "$stage/outbound"
  each_conflist check_conflist
  [ "$systemd" = no ] || sed "s|/opt/cni/bin/outbound|$cni_path/outbound|g" "$from/outbound-watch.service" >"$stage/unit"

  # The executable first: it knows what is new in the conflists that come, and was shown those that stay.
  plan "$stage/outbound" "$cni_path/outbound" 0755 always
  conflist_policy=ask
  [ "$replace_conflist" = no ] || conflist_policy=always
  each_conflist plan_conflist
  [ "$systemd" = no ] || plan "$stage/unit" "$unit_dir/outbound-watch.service" 0644 ask
  check_staying_conflists "$stage/outbound"

  plan_record
  if is_pending && ! is_same "$stage/record" "$record"; then keep_version_back; fi
  carry_out
  is_same "$stage/record" "$record" || put "$stage/record" "$record" 0600
  is_recorded=yes
  if [ "$changes" -eq 0 ]; then
    say "Nothing to do: outbound $version is installed in $cni_path, and every file is as it should be"
    return
  fi
  restart_watcher
  say "Installed outbound $version in $cni_path"
  say_next
}

find_sources() {
  case $(uname -m) in
    x86_64) arch=amd64 machine='3e 00' ;;
    aarch64) arch=arm64 machine='b7 00' ;;
    *) die "Cannot install outbound: this machine is $(uname -m), expected x86_64 or aarch64" ;;
  esac
  if [ -z "$executable" ]; then
    executable="$from/outbound-linux-$arch"
    [ -f "$executable" ] || executable="$from/outbound"
  fi
  [ -f "$executable" ] || die "Cannot install outbound: there is no $executable, give --from or --executable"
  [ -n "$checksums" ] || checksums="$from/SHA256SUMS"
  [ -f "$checksums" ] || die "Cannot check $executable: there is no $checksums, give --checksums"
  if [ "$with_conflist" = yes ] && [ -z "$conflists" ]; then
    for file in "$from"/*.conflist; do
      [ ! -f "$file" ] || conflists="$conflists$file
"
    done
    [ -n "$conflists" ] || die "Cannot install a conflist: there is no *.conflist in $from, give --conflist or --no-conflist"
  fi
  if [ "$systemd" = yes ] && [ ! -f "$from/outbound-watch.service" ]; then
    die "Cannot install the unit: there is no outbound-watch.service in $from, give --from"
  fi
}

check_host() {
  [ "$(bytes_of "$executable" 0 4)" = '7f 45 4c 46' ] || die "Cannot install $executable: it is no executable for Linux"
  [ "$(bytes_of "$executable" 18 2)" = "$machine" ] ||
    die "Cannot install $executable: it was built for another architecture, expected $arch"
  for program in iptables-save iptables-restore; do
    command -v "$program" >/dev/null || die "Cannot install outbound: there is no $program, install iptables"
  done
  for program in ip6tables-save ip6tables-restore; do
    command -v "$program" >/dev/null || warn "There is no $program: allocations with an IPv6 address will not start"
  done
  for setting in net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables; do
    file="/proc/sys/$(printf '%s' "$setting" | tr . /)"
    if [ ! -r "$file" ]; then
      warn "There is no $setting: containers of one bridge reach each other unseen, load br_netfilter and set it to 1, see sysctl.d beside install.sh"
    elif [ "$(cat "$file")" != 1 ]; then
      warn "$setting is $(cat "$file"): containers of one bridge reach each other unseen, set it to 1, see sysctl.d beside install.sh"
    fi
  done
}

bytes_of() { od -An -v -tx1 -j "$2" -N "$3" "$1" | sed 's/^ *//; s/ *$//'; }

check_sums() {
  listed=$(listed_sum "$executable")
  [ -n "$listed" ] || listed=$(listed_sum "outbound-linux-$arch")
  [ -n "$listed" ] || die "Cannot check $executable: $checksums does not list it"
  expect_sum "$executable" "$listed"
  each_conflist check_conflist_sum
}

# Only those that came with the list: one that --conflist names is the operator's own, often a copy that was edited.
check_conflist_sum() {
  [ -f "$1" ] || die "Cannot install $1: there is no such file"
  case $1 in *.conflist) ;; *) die "Cannot install $1: Nomad reads only files that end in .conflist" ;; esac
  [ "$is_conflist_named" = yes ] || expect_sum "$1" "$(listed_sum "$1")"
}

expect_sum() {
  if [ -z "$2" ] || [ "$(sum_of "$1")" = "$2" ]; then return; fi
  die "Cannot install $1: its SHA-256 is $(sum_of "$1"), $checksums says $2"
}

listed_sum() (
  while read -r sum file; do
    file=${file#\*}
    if [ "${file#./}" = "${1##*/}" ]; then
      printf '%s\n' "$sum"
      return
    fi
  done <"$checksums"
)

# As Nomad's fingerprint runs it.
check_candidate() {
  about=$(env -i "$1" 2>&1 </dev/null) ||
    die "Cannot run $executable: it needs glibc, and $cni_path not to be mounted noexec: $about"
  version=$(printf '%s\n' "$about" | sed -n 's/^CNI outbound plugin v//p')
  [ -n "$version" ] || die "Cannot use $executable: it is not outbound, it says: $about"
}

check_conflist() {
  findings=$("$stage/outbound" rules validate --quiet "$1" 2>&1 </dev/null) || die "Cannot install $1: it is not valid
$findings"
}

# What stays must go on to work: with a key that the executable does not know, every ADD would fail.
check_staying_conflists() {
  for file in "$cni_config_dir"/*.conflist; do
    if [ ! -f "$file" ] || is_planned "$file" || has_line "$stage/gone" "$file"; then continue; fi
    grep -q '"outbound"' "$file" || continue
    findings=$("$1" rules validate --quiet "$file" 2>&1 </dev/null) ||
      die "Cannot $action outbound: $file stays, and outbound $version would refuse it, correct it first
$findings"
  done
}

plan_conflist() { plan "$1" "$cni_config_dir/${1##*/}" 0644 "$conflist_policy"; }

# plan SOURCE TARGET MODE always|ask: TARGET is to become SOURCE. With "ask" a TARGET that this script did not put
# there, or that somebody changed since, stays, and SOURCE goes beside it.
plan() {
  if [ "$4" = ask ] && [ -e "$2" ] && ! is_same "$1" "$2" && [ "$(sum_of "$2")" != "$(recorded_sum "$2")" ]; then
    warn "$2 stays, it is not as it was installed: the new one is $2.new, merge them or give --replace-conflist"
    plan "$1" "$2.new" "$3" always
    return
  fi
  printf '%s\t%s\t%s\n' "$3" "$1" "$2" >>"$stage/plan"
  printf '%s\n' "$2" >>"$stage/planned"
  printf '%s  %s\n' "$(sum_of "$1")" "$2" >>"$stage/record"
}

is_planned() { has_line "$stage/planned" "$1"; }

# The record: a line "SHA-256  path" for each file that was put, "made  path" for each folder that was made.
plan_record() {
  printf '%s' "$made" >>"$stage/record"
  if [ -f "$record" ]; then
    while read -r sum path; do
      if ! is_planned "$path" && ! is_merged "$path"; then printf '%s  %s\n' "$sum" "$path" >>"$stage/record"; fi
    done <"$record"
  fi
  sort -k 2 -o "$stage/record" "$stage/record"
}

# A new one that was put beside a file, which has become that file since.
is_merged() { case $1 in *.new) is_planned "${1%.new}" ;; *) false ;; esac }

# All of it before the first file is replaced: where a run is killed, the next one completes it.
keep_version_back() {
  if [ ! -f "$record" ] && [ ! -f "$cni_path/outbound" ]; then return; fi
  while read -r sum path; do
    if [ "$sum" = "$(recorded_sum "$path")" ]; then remove "$path.previous"; fi
  done <"$stage/record"
  while IFS='	' read -r mode source target; do
    if [ ! -f "$target" ] || is_same "$source" "$target"; then continue; fi
    if [ "$(sum_in "$stage/record" "$target")" != "$(recorded_sum "$target")" ]; then
      # Not executable: Nomad's fingerprint runs every executable in its cni_path.
      put "$target" "$target.previous" 0600
    fi
  done <"$stage/plan"
  if [ -f "$record" ]; then cp "$record" "$stage/before"; else : >"$stage/before"; fi
  put "$stage/before" "$record.previous" 0600
}

is_pending() (
  while IFS='	' read -r mode source target; do
    is_same "$source" "$target" || return 0
  done <"$stage/plan"
  return 1
)

carry_out() {
  while IFS='	' read -r mode source target; do
    if is_same "$source" "$target" && [ "$(stat -c %a "$target")" = "${mode#0}" ]; then continue; fi
    what=Installed
    [ ! -e "$target" ] || what=Replaced
    put "$source" "$target" "$mode"
    say "$what $target"
  done <"$stage/plan"
  if [ ! -f "$record" ]; then return; fi
  while read -r sum path; do
    if is_merged "$path"; then remove "$path"; fi
  done <"$record"
}

# --- roll back ---

roll_back() {
  [ -f "$record.previous" ] || die "Cannot roll back: no version back is kept in $cni_path"
  take_lock
  make_stage
  executable="$cni_path/outbound"
  candidate=$executable
  if [ -f "$executable.previous" ]; then
    executable="$executable.previous"
    candidate="$stage/outbound"
    copy "$executable" "$candidate" 0700
  fi
  check_candidate "$candidate"
  # The executable last: the one that comes may not know what is new in the conflists that go.
  while read -r sum path; do
    if [ "$sum" != made ] && [ "$path" != "$cni_path/outbound" ]; then plan_back "$sum" "$path" 0644; fi
  done <"$record"
  plan_back any "$cni_path/outbound" 0755
  check_staying_conflists "$candidate"
  carry_out
  while read -r path; do
    remove "$path"
    say "Removed $path"
  done <"$stage/gone"
  mv -f "$record.previous" "$record"
  sync_to_disk "$cni_path"
  while read -r path; do remove "$path.previous"; done <"$stage/planned"
  restart_watcher
  [ -s "$record" ] || remove "$record"
  say "Rolled back to outbound $version"
  say_next
}

# plan_back SUM PATH MODE: PATH, installed with SUM, is to become what it was before.
plan_back() {
  if [ "$1" != any ] && [ -f "$2" ] && [ "$(sum_of "$2")" != "$1" ] && ! is_same "$2" "$2.previous"; then
    warn "$2 stays, it is not as it was installed"
  elif [ -f "$2.previous" ]; then
    source="$2.previous"
    [ "$2" != "$cni_path/outbound" ] || source=$candidate
    plan "$source" "$2" "$3" always
  elif ! grep -qF -e "  $2" "$record.previous"; then
    printf '%s\n' "$2" >>"$stage/gone"
  fi
}

# --- uninstall ---

uninstall() {
  if [ ! -f "$record" ]; then
    [ ! -e "$cni_path/outbound" ] ||
      die "Cannot uninstall: $cni_path/outbound was not put there by install.sh, run \"outbound uninstall\" and remove it by hand"
    say "Nothing to do: outbound is not installed in $cni_path"
    return
  fi
  take_lock
  attached=$(find "${state_dir:-/run/cni-outbound}/attachments" -name '*.json' 2>/dev/null | wc -l)
  if [ "$attached" -gt 0 ] && [ "$force" = no ]; then
    die "Cannot uninstall: $attached allocations are attached, and Nomad needs outbound to take their networks down, drain this node first or add --force"
  fi
  has_unit=no
  if grep -q '/outbound-watch\.service$' "$record"; then has_unit=yes; fi
  if [ "$has_unit" = yes ] && has_systemd; then systemctl disable --quiet --now outbound-watch.service || true; fi
  # The conflists first: from then on no ADD brings back what is being removed.
  hide_conflists
  set --
  [ -z "$state_dir" ] || set -- "$@" --state-dir "$state_dir"
  [ -z "$cache_dir" ] || set -- "$@" --cache-dir "$cache_dir"
  "$cni_path/outbound" uninstall --yes "$@" || die 'Cannot uninstall: see above; all files are in their places still'
  hidden=''
  while read -r sum path; do
    if [ "$sum" = made ]; then continue; fi
    if [ -f "$path" ] && [ "$(sum_of "$path")" != "$sum" ]; then
      warn "$path stays, it is not as it was installed: take outbound out of it, or allocations that use it do not start"
    else
      remove "$path"
    fi
    remove "$path.previous"
    remove "$path.uninstalled"
  done <"$record"
  folders=$(sed -n 's/^made  //p' "$record" | sort -r)
  remove "$record.previous"
  remove "$record"
  remove_folders "$folders"
  if [ "$has_unit" = yes ] && has_systemd; then systemctl daemon-reload; fi
  say "Uninstalled outbound from $cni_path"
}

hide_conflists() {
  while read -r sum path; do
    case $path in
      *.conflist)
        if [ ! -f "$path" ] || [ "$(sum_of "$path")" != "$sum" ]; then continue; fi
        hidden="$hidden$path
"
        mv -f -- "$path" "$path.uninstalled"
        ;;
    esac
  done <"$record"
}

# --- files ---

put() {
  if [ "$1" = "$stage/outbound" ]; then
    # Staged in this very folder: 100 MB need not be copied again.
    if ! { chmod "$3" "$1" && mv -f -- "$1" "$2"; }; then die "Cannot write $2: see above; it is as it was"; fi
    sync_to_disk "$cni_path"
  else
    copy "$1" "$2" "$3"
  fi
  changes=$((changes + 1))
}

# copy SOURCE TARGET MODE: whole and on the disk before it has the name. In a folder of its own until then: Nomad's
# fingerprint runs what it finds in its cni_path, not what is in folders there.
copy() {
  beside=$(mktemp -d "$(dirname "$2")/.outbound-install.XXXXXX") || die "Cannot write $2: see above"
  if ! { cp -- "$1" "$beside/file" && chmod "$3" "$beside/file" && sync_to_disk "$beside/file" && mv -f -- "$beside/file" "$2"; }; then
    die "Cannot write $2: see above; it is as it was"
  fi
  rmdir "$beside"
  beside=''
  sync_to_disk "$(dirname "$2")"
}

# Older ones sync no single file.
sync_to_disk() { sync -- "$1" 2>/dev/null || sync; }

remove() {
  if [ ! -e "$1" ]; then return; fi
  rm -f -- "$1" || die "Cannot remove $1: see above"
  changes=$((changes + 1))
}

is_same() { cmp -s -- "$1" "$2"; }

has_line() { grep -qxF -e "$2" "$1"; }

sum_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

recorded_sum() { sum_in "$record" "$1"; }

sum_in() (
  [ -f "$1" ] || return 0
  while read -r sum path; do
    if [ "$path" = "$2" ]; then
      printf '%s\n' "$sum"
      return
    fi
  done <"$1"
)

make_folder() {
  if [ -d "$1" ]; then return; fi
  make_folder "$(dirname "$1")"
  mkdir -m 0755 "$1" || die "Cannot make $1: see above"
  made="${made}made  $1
"
}

make_stage() {
  # What a run left that was killed.
  rm -rf "$cni_path"/.outbound-install.* "$cni_config_dir"/.outbound-install.* "$unit_dir"/.outbound-install.*
  stage=$(mktemp -d "$cni_path/.outbound-install.XXXXXX") || die "Cannot write to $cni_path: see above"
  for list in plan planned record gone; do : >"$stage/$list"; done
}

remove_folders() {
  while IFS= read -r folder; do
    [ -z "$folder" ] || rmdir "$folder" 2>/dev/null || true
  done <<END
$1
END
}

take_lock() {
  exec 9<"$cni_path"
  command -v flock >/dev/null || return 0
  flock -w 60 9 || die "Cannot $action outbound: another install.sh is at work in $cni_path"
}

# --- the rest ---

each_conflist() {
  while IFS= read -r each; do
    [ -z "$each" ] || "$1" "$each"
  done <<END
$conflists
END
}

has_systemd() { [ "$unit_dir" = /etc/systemd/system ] && [ -d /run/systemd/system ]; }

# A unit that runs goes on with the new executable, or the one back; one that does not is not started.
restart_watcher() {
  if ! has_systemd || ! grep -q '/outbound-watch\.service$' "$record"; then return; fi
  systemctl daemon-reload
  systemctl try-restart outbound-watch.service || warn 'Cannot restart outbound-watch.service: see systemctl status outbound-watch'
}

say_next() {
  say 'Next: "systemctl reload nomad", before Nomad 1.11.2 "restart", makes it look for plugins again'
  if [ "$systemd" = yes ]; then
    say '      "systemctl enable --now outbound-watch" starts the watcher; its settings: /etc/default/outbound-watch'
  else
    say '      "nomad job run -var release=…" of the watcher, where it is a job: until then it runs the executable from before'
  fi
  say "      \"$cni_path/outbound doctor\" says what this node still lacks"
}

say() { printf '%s\n' "$1"; }

warn() { printf 'install.sh: %s\n' "$1" >&2; }

die() {
  warn "$1"
  exit "${2:-1}"
}

clean_up() {
  status=$?
  while IFS= read -r path; do
    if [ -n "$path" ] && [ -f "$path.uninstalled" ]; then mv -f -- "$path.uninstalled" "$path"; fi
  done <<END
$hidden
END
  [ -z "$stage" ] || rm -rf -- "$stage"
  [ -z "$beside" ] || rm -rf -- "$beside"
  # In an installation that failed before there was anything in them.
  [ "$is_recorded" = yes ] || remove_folders "$(printf '%s' "$made" | sed 's/^made  //' | sort -r)"
  exit "$status"
}

main "$@"
