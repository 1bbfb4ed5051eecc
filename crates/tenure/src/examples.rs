//! The examples that `--help` shows, by command.
//!
//! Each runs as it stands against the fleet of the guide. A line stays below eighty characters, since terminals break
//! longer ones where a shell would not.

pub const MAIN: &str = "Examples:
  tenure demo                              a sample fleet to look around in
  tenure serve --data /var/lib/tenure      a server on the embedded database
  tenure apply -f fleet.yaml               regions, groups, nodes, products
  tenure import instances customers.csv    who is to be served
  tenure explain svc-1 --why-not eu-west-b why this owner, and why not that one
  tenure plan drain eu-west-a              see what would move before it does";

pub const SERVE: &str = "Settings: flags over TENURE_* variables over tenure.toml over defaults.

Examples:
  tenure serve --data /var/lib/tenure
  tenure serve --database postgres://tenure@db.example/tenure
  tenure serve --print-config";

pub const APPLY: &str = "Examples:
  tenure apply -f fleet/
  tenure apply -f fleet.yaml --dry-run
  cat fleet.yaml | tenure apply -f - --set fleet --prune";

pub const GET: &str = "Kinds: regions, groups, nodes, runtime-templates, outbound-templates,
access-templates, products, instances.

Examples:
  tenure get nodes
  tenure get node ams-01 -o yaml
  tenure get instances --limit 20 -o json";

pub const IMPORT: &str = "A mapping is field=column, field=slug(column) to make an id of any text,
field='text' for the same value in each row, weight=count() for the number of
rows that say the same group, or field=column{word: text, *: text} to translate.

Examples:
  tenure import groups servers.csv --map 'id=slug(city)' \\
    --map 'region=slug(country)' --map 'weight=count()'
  tenure import nodes servers.csv --map 'id=slug(hostname)' \\
    --map location.latitude=lat --map \"groups='pool'\" \\
    --map 'state=status{online: active, *: disabled}' --where country=NL
  tenure import instances customers.csv --map id=account \\
    --map \"product='basic'\"";

pub const EXPLAIN: &str = "Examples:
  tenure explain svc-1
  tenure explain svc-1 --why-not eu-west-b
  tenure explain svc-1 --verify -o json";

pub const PLAN: &str = "Making a plan changes nothing; it is read, then applied at a rate.

Examples:
  tenure plan topology -f fleet.yaml       who is touched by a change, exactly
  tenure plan drain eu-west-a              empty a group
  tenure plan rebalance --to 1.05          the fewest moves that balance
  tenure plan move --instance svc-1 --to eu-west-b
  tenure plan apply plan-1 --rate 100/s
  tenure plan undo plan-1                  a plan of the reverse moves";

pub const USAGE: &str = "Figures are bytes. A day begins at midnight UTC; a period from one reset to the
next.

Examples:
  tenure usage svc-1                       the current period, hour by hour
  tenure usage svc-1 --by day --from 2026-01-01 --to 2026-02-01
  tenure usage svc-1 --by period -o json";

pub const CONSERVATION: &str = "Received is counted where reports are read, all other figures where they are
kept; each shard and each reporter has to agree by itself.

Examples:
  tenure conservation
  tenure conservation --deep               counts every row again
  tenure conservation -o json              every shard, every reporter";

pub const LEDGER: &str = "Examples:
  tenure ledger
  tenure ledger --shard 7 --limit 20 -o json";

pub const INTAKE: &str = "Retiring cannot be undone: what is only on that disk is counted when its
reporters send it again, or not at all.

Examples:
  tenure intake list
  tenure intake retire ams-intake-1";

pub const TOKEN: &str = "Examples:
  tenure token create --scope read --scope resolve
  tenure token create --scope report --reporter ams-01
  tenure token revoke read-0123456789abcdef";
