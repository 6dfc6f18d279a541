"""Malformed scenarios, one mistake each: one line with the place, the path, what and allowed."""

from pathlib import Path

import pytest

from sim.scenario import ScenarioError, load

SCENARIO = """\
# Does training survive the loss of the server?
name: server_crash
duration: 30 min
seeds: [0, 1, 2]
task: {name: digits, partition: {kind: dirichlet, alpha: 0.3}}
model: {name: mlp}
training: {optimizer: sgd, learning_rate: 0.05, batch_size: 32, local_epochs: 2}
clients:
  count: 10
  step_time: {distribution: lognormal, median: 0.5 s, sigma: 0.6}
network:
  latency: {distribution: uniform, low: 20 ms, high: 150 ms}
  uplink: 20 Mbit/s
  downlink: 100 Mbit/s
  sharing: max_min
server: {uplink: 1 Gbit/s, downlink: 1 Gbit/s, aggregation_time: 1 s}
faults:
  server_crash: {kind: crash, node: server, at: 10 min}
protocols:
  braintorrent: {schedule: independent}
  fedavg: {deadline: 2 min, minimum_fraction: 0.5}
  pooled: {}
  local: {}
evaluation: {every: 1 min, target: {metric: accuracy, value: 0.9}}
"""
STEP_TIME = "{distribution: lognormal, median: 0.5 s, sigma: 0.6}"
LATENCY = "{distribution: uniform, low: 20 ms, high: 150 ms}"
FAULT = "{kind: crash, node: server, at: 10 min}"
EVERYONE = ", ".join([*(f"client_{number}" for number in range(10)), "server"])

# What to replace by what, then line:column, path, and how the rest of the message begins.
MISTAKES = [
    (
        "duration:",
        "dureation:",
        "3:1",
        "dureation",
        "unknown key, did you mean duration?; allowed: name, question,",
    ),
    (
        "duration: 30 min",
        "duration: 30",
        "3:11",
        "duration",
        "30 needs a unit; allowed: e.g. '20 s'",
    ),
    ("duration: 30 min", "duration: 0 s", "3:11", "duration", "is zero; allowed: more than zero"),
    (
        "duration: 30 min",
        "duration: -3 s",
        "3:11",
        "duration",
        "'-3 s' is negative; allowed: e.g. '20 s'",
    ),
    (
        "duration: 30 min",
        "duration: 30 Mbit",
        "3:11",
        "duration",
        "'Mbit' is not a unit that fits here; allowed: e.g. '20 s'",
    ),
    (
        "duration: 30 min",
        "duration: [1]",
        "3:11",
        "duration",
        "not a quantity; allowed: a number with a unit, e.g. '20 s'",
    ),
    (
        "duration: 30 min",
        "duration:",
        "3:1",
        "duration",
        "not a quantity; allowed: a number with a unit, e.g. '20 s'",
    ),
    (
        "duration: 30 min\n",
        "",
        "2:1",
        "duration",
        "is missing; allowed: virtual time that a run covers",
    ),
    (
        "name: server_crash",
        "name: a/b",
        "2:7",
        "name",
        "'a/b' is no name; allowed: letters, digits, - and _",
    ),
    ("name: server_crash", "name: 3", "2:7", "name", "3 is not text; allowed: text"),
    ("seeds: [0, 1, 2]", "seeds: []", "4:8", "seeds", "is too short; allowed: at least one entry"),
    (
        "seeds: [0, 1, 2]",
        "seeds: 3",
        "4:8",
        "seeds",
        "3 is not a list; allowed: a list, e.g. [1, 2]",
    ),
    (
        "seeds: [0, 1, 2]",
        "seeds: [0, a]",
        "4:12",
        "seeds.1",
        "'a' is not a whole number; allowed: a whole number, e.g. 3",
    ),
    (
        "seeds: [0, 1, 2]",
        "seeds: [0, 0]",
        "4:12",
        "seeds.1",
        "0 is listed twice; allowed: each seed once",
    ),
    ("seeds: [0, 1, 2]", "seeds: [-1]", "4:9", "seeds.0", "-1 is too small; allowed: at least 0"),
    (
        "seeds: [0, 1, 2]",
        "seeds: [1.5]",
        "4:9",
        "seeds.0",
        "1.5 is not a whole number; allowed: a whole number, e.g. 3",
    ),
    (
        "name: digits",
        "name: mnist",
        "5:14",
        "task.name",
        "'mnist' is not known here; allowed: digits",
    ),
    (
        "kind: dirichlet",
        "kind: dirichelt",
        "5:40",
        "task.partition.kind",
        "'dirichelt' is not known here; allowed: iid, dirichlet, quantity",
    ),
    (
        "kind: dirichlet, ",
        "",
        "5:22",
        "task.partition.kind",
        "is missing; allowed: iid, dirichlet, quantity",
    ),
    (
        "alpha: 0.3",
        "alpha: 0",
        "5:58",
        "task.partition.alpha",
        "0 is too small; allowed: more than 0",
    ),
    (
        "alpha: 0.3",
        "alpha: yes",
        "5:58",
        "task.partition.alpha",
        "'yes' is not a number; allowed: a number, e.g. 0.5",
    ),
    (
        "alpha: 0.3",
        "alpha: .inf",
        "5:58",
        "task.partition.alpha",
        "inf is not finite; allowed: a finite number",
    ),
    (
        ", alpha: 0.3",
        "",
        "5:22",
        "task.partition.alpha",
        "is missing; allowed: concentration; the smaller, the more skewed the labels",
    ),
    (
        "{name: mlp}",
        "{name: resnet}",
        "6:15",
        "model.name",
        "'resnet' is not known here; allowed: mlp, cnn",
    ),
    ("{name: mlp}", "{}", "6:1", "model.name", "is missing; allowed: mlp, cnn"),
    (
        "{name: mlp}",
        "mlp",
        "6:8",
        "model",
        "'mlp' is not a mapping; allowed: a mapping of names to values, {} for none",
    ),
    (
        "{name: mlp}",
        "{name: mlp, hidden: 64}",
        "6:28",
        "model.hidden",
        "64 is not a list; allowed: a list, e.g. [1, 2]",
    ),
    (
        "{name: mlp}",
        "{name: mlp, hidden: [0]}",
        "6:29",
        "model.hidden.0",
        "0 is too small; allowed: at least 1",
    ),
    (
        "{name: mlp}",
        "{name: cnn, channels: [8]}",
        "6:20",
        "model.channels.1",
        "is missing; allowed: 2 entries or more",
    ),
    (
        "{name: mlp}",
        "{name: cnn, channels: [8,8,8]}",
        "6:30",
        "model.channels",
        "is too long; allowed: at most 2 entries",
    ),
    (
        "optimizer: sgd",
        "optimizer: lbfgs",
        "7:23",
        "training.optimizer",
        "'lbfgs' is not known here; allowed: sgd, momentum or adam",
    ),
    (
        ", local_epochs: 2",
        "",
        "7:1",
        "training",
        "a local round needs one length; allowed: either local_epochs or local_steps",
    ),
    (
        "local_epochs: 2",
        "local_epochs: 2, local_steps: 3",
        "7:1",
        "training",
        "a local round needs one length; allowed: either local_epochs or local_steps",
    ),
    (
        "batch_size: 32",
        "batch_size: 3.5",
        "7:61",
        "training.batch_size",
        "3.5 is not a whole number; allowed: a whole number, e.g. 3",
    ),
    (
        "batch_size: 32",
        "batch_size: true",
        "7:61",
        "training.batch_size",
        "true is not a whole number; allowed: a whole number, e.g. 3",
    ),
    ("count: 10", "count: 0", "9:10", "clients.count", "0 is too small; allowed: at least 1"),
    ("  count: 10\n", "", "8:1", "clients.count", "is missing; allowed: number of clients"),
    (
        "distribution: lognormal",
        "distribution: normal",
        "10:29",
        "clients.step_time.distribution",
        "'normal' is not known here; allowed: constant, uniform,",
    ),
    (
        "median: 0.5 s, ",
        "",
        "10:3",
        "clients.step_time.median",
        "is missing; allowed: half of the durations are shorter",
    ),
    (
        "median: 0.5 s",
        "median: 0.5",
        "10:48",
        "clients.step_time.median",
        "0.5 needs a unit; allowed: e.g. '20 s'",
    ),
    (
        "sigma: 0.6",
        "sigma: -1",
        "10:62",
        "clients.step_time.sigma",
        "-1 is too small; allowed: at least 0",
    ),
    (
        STEP_TIME,
        "[1 s, 2 s]",
        "10:14",
        "clients.step_time",
        "lists 2 values; allowed: 10, one per client",
    ),
    (STEP_TIME, "[1 s, 2]", "10:20", "clients.step_time.1", "2 needs a unit; allowed: e.g. '20 s'"),
    (
        STEP_TIME,
        "0 s",
        "10:14",
        "clients.step_time",
        "training takes no time; allowed: more than zero",
    ),
    (
        STEP_TIME,
        "fast",
        "10:14",
        "clients.step_time",
        "'fast' is not a quantity; allowed: a number with a unit, e.g. '20 s'",
    ),
    (
        "low: 20 ms",
        "low: 200 ms",
        "12:55",
        "network.latency.high",
        "is shorter than low; allowed: at least 0.2 s",
    ),
    (
        LATENCY,
        "{matrix: no.csv, unit: ms}",
        "12:21",
        "network.latency.matrix",
        "no such file 'no.csv'; allowed: a CSV file of numbers",
    ),
    (
        LATENCY,
        "{matrix: [[1, 2], [3]], unit: ms}",
        "12:30",
        "network.latency.matrix.1",
        "row 2 has 1 numbers; allowed: 2, as many as rows",
    ),
    (
        LATENCY,
        "{matrix: [[1]], unit: ms}",
        "12:21",
        "network.latency.matrix",
        "is 1 x 1; allowed: 11 x 11, the server last",
    ),
    (
        "uplink: 20 Mbit/s",
        "uplink: 20 MB",
        "13:11",
        "network.uplink",
        "'MB' is not a unit that fits here; allowed: e.g. '20 Mbit/s'",
    ),
    (
        "uplink: 20 Mbit/s",
        "uplink: 0 Mbit/s",
        "13:11",
        "network.uplink",
        "is zero; allowed: more than zero",
    ),
    (
        "uplink: 20 Mbit/s",
        "uplink: fast",
        "13:11",
        "network.uplink",
        "'fast' is not a quantity; allowed: a number with a unit, e.g. '20 Mbit/s'",
    ),
    (
        "uplink: 20 Mbit/s",
        "uplink: [1 MB/s]",
        "13:11",
        "network.uplink",
        "lists 1 values; allowed: 10, one per client",
    ),
    (
        "sharing: max_min",
        "sharing: fair",
        "15:12",
        "network.sharing",
        "'fair' is not known here; allowed: max_min, equal or none",
    ),
    (
        "  sharing: max_min",
        "  message_loss: 2",
        "15:17",
        "network.message_loss",
        "2 is too large; allowed: at most 1",
    ),
    (
        "server: {uplink: 1 Gbit/s, downlink: 1 Gbit/s, aggregation_time: 1 s}\n",
        "",
        "2:1",
        "server",
        "is missing, but protocols.fedavg has a server; allowed: uplink, downlink",
    ),
    (
        "aggregation_time: 1 s",
        "aggregation_time: soon",
        "16:66",
        "server.aggregation_time",
        "'soon' is not a quantity; allowed: a number with a unit, e.g. '20 s'",
    ),
    (
        "kind: crash, node",
        "kind: chrash, node",
        "18:24",
        "faults.server_crash.kind",
        "'chrash' is not known here; allowed: crash, churn,",
    ),
    (
        "kind: crash, node",
        "node",
        "18:3",
        "faults.server_crash.kind",
        "is missing; allowed: crash, churn, client_dropout, slowdown, partition",
    ),
    (
        "node: server",
        "node: client_10",
        "18:37",
        "faults.server_crash.node",
        "client_10 does not exist; allowed: client_0 to client_9, or server",
    ),
    (
        "node: server",
        "node: sever",
        "18:37",
        "faults.server_crash.node",
        "'sever' is not a node; allowed: server or client_<number>, e.g. client_3",
    ),
    (
        "at: 10 min",
        "at: 10",
        "18:49",
        "faults.server_crash.at",
        "10 needs a unit; allowed: e.g. '20 s'",
    ),
    (
        "at: 10 min",
        "att: 10 min",
        "18:45",
        "faults.server_crash.att",
        "unknown key, did you mean at?; allowed: kind, node, at,",
    ),
    (
        "at: 10 min",
        "recovers_after: 3 min",
        "18:3",
        "faults.server_crash.at",
        "is missing; allowed: when it crashes",
    ),
    (
        "at: 10 min",
        "at: 3 s, loses_storage: no",
        "18:69",
        "faults.server_crash.loses_storage",
        "'no' is neither true nor false; allowed: true or false",
    ),
    (
        FAULT,
        "{kind: churn, nodes: clients, failure_rate: -1 / h, mean_time_to_repair: 2 min}",
        "18:61",
        "faults.server_crash.failure_rate",
        "'-1 / h' is negative; allowed: e.g. '0.5 / h'",
    ),
    (
        FAULT,
        "{kind: churn, nodes: clients, failure_rate: 0, mean_time_to_repair: 2 min}",
        "18:61",
        "faults.server_crash.failure_rate",
        "0 needs a unit; allowed: e.g. '0.5 / h'",
    ),
    (
        FAULT,
        "{kind: churn, nodes: clients, mean_time_to_repair: 2 min}",
        "18:3",
        "faults.server_crash",
        "needs one rate; allowed: either failure_rate or mean_time_to_failure",
    ),
    (
        FAULT,
        "{kind: churn, nodes: client, failure_rate: 1 / h, mean_time_to_repair: 2 min}",
        "18:38",
        "faults.server_crash.nodes",
        "'client' selects no nodes; allowed: clients, server,",
    ),
    (
        FAULT,
        "{kind: churn, nodes: [client_1, client_11], failure_rate: 1 / h, mean_time_to_repair: 2s}",
        "18:49",
        "faults.server_crash.nodes.1",
        "client_11 does not exist; allowed: client_0 to client_9, or server",
    ),
    (
        FAULT,
        "{kind: client_dropout, probability: 1.5}",
        "18:53",
        "faults.server_crash.probability",
        "1.5 is too large; allowed: at most 1",
    ),
    (
        FAULT,
        "{kind: client_dropout, probability: 0.5, nodes: server}",
        "18:65",
        "faults.server_crash.nodes",
        "a server has no local rounds; allowed: clients, or a list of clients",
    ),
    (
        FAULT,
        "{kind: slowdown, nodes: all, factor: 0.5, at: 1 s, lasts: 1 s}",
        "18:54",
        "faults.server_crash.factor",
        "0.5 is too small; allowed: at least 1",
    ),
    (
        FAULT,
        "{kind: partition, groups: [[client_0], [client_1, client_0]], at: 1 s, heals_after: 1 s}",
        "18:67",
        "faults.server_crash.groups.1.1",
        "client_0 is named twice; allowed: each node in one group",
    ),
    (
        FAULT,
        "{kind: partition, groups: [client_0], at: 1 s, heals_after: 1 s}",
        "18:44",
        "faults.server_crash.groups.0",
        "'client_0' is not a list; allowed: a list, e.g. [1, 2]",
    ),
    (
        FAULT,
        "crash",
        "18:17",
        "faults.server_crash",
        "'crash' is not a mapping; allowed: a mapping of names",
    ),
    (
        FAULT,
        "",
        "18:3",
        "faults.server_crash",
        "nothing is not a mapping; allowed: a mapping of names",
    ),
    (
        "  server_crash: {",
        "  server crash: {",
        "18:3",
        "faults.server crash",
        "'server crash' is no name; allowed: letters, digits, - and _",
    ),
    (
        "schedule: independent",
        "schedule: random",
        "20:28",
        "protocols.braintorrent.schedule",
        "'random' is not known here; allowed: independent,",
    ),
    (
        "schedule: independent",
        "peers: 0",
        "20:25",
        "protocols.braintorrent.peers",
        "0 is no number of peers; allowed: all, or a whole number of at least 1",
    ),
    (
        "schedule: independent",
        "peers: some",
        "20:25",
        "protocols.braintorrent.peers",
        "'some' is no number of peers; allowed: all, or a whole number of at least 1",
    ),
    (
        "deadline: 2 min, ",
        "",
        "21:3",
        "protocols.fedavg.deadline",
        "is missing, but faults or message_loss can stall a round; allowed: a duration, e.g. '2",
    ),
    (
        "minimum_fraction: 0.5",
        "minimum_fraction: 0",
        "21:47",
        "protocols.fedavg.minimum_fraction",
        "0 is too small; allowed: more than 0",
    ),
    (
        "minimum_fraction: 0.5",
        "participation: 1.5",
        "21:44",
        "protocols.fedavg.participation",
        "1.5 is too large; allowed: at most 1",
    ),
    (
        "minimum_fraction: 0.5",
        "retry_cap: 0.5 s",
        "21:40",
        "protocols.fedavg.retry_cap",
        "is shorter than retry_initial; allowed: at least as long",
    ),
    (
        "pooled: {}",
        "poold: {}",
        "22:3",
        "protocols.poold",
        "'poold' is not known here; allowed: braintorrent, fedavg, pooled, local",
    ),
    (
        "pooled: {}",
        "pooled:",
        "22:3",
        "protocols.pooled",
        "nothing is not a mapping; allowed: a mapping of names",
    ),
    ("pooled: {}", "pooled: {x: 1}", "22:12", "protocols.pooled.x", "unknown key; allowed: kind"),
    (
        "pooled: {}",
        "3: {kind: fedprox}",
        "22:13",
        "protocols.3.kind",
        "'fedprox' is not known here; allowed: braintorrent, fedavg, pooled, local",
    ),
    (
        "every: 1 min",
        "every: 1 us",
        "24:21",
        "evaluation.every",
        "evaluates too often; allowed: at least 0.018 s for this duration",
    ),
    (
        "metric: accuracy",
        "metric: dice",
        "24:45",
        "evaluation.target.metric",
        "'dice' is none of the task's metrics; allowed: accuracy, loss",
    ),
    (
        ", value: 0.9",
        "",
        "24:28",
        "evaluation.target.value",
        "is missing; allowed: at least this, or a loss at most this",
    ),
    (
        "value: 0.9",
        "value: .nan",
        "24:62",
        "evaluation.target.value",
        "nan is not finite; allowed: a finite number",
    ),
    (
        "evaluation:",
        "stop_when: {metric: accuracy, value: 0.5, of: best}\nevaluation:",
        "24:47",
        "stop_when.of",
        "'best' is not known here; allowed: mean, worst or aggregate",
    ),
    (
        "evaluation:",
        "evaluation: {every: 1 min}\nevaluation:",
        "25:1",
        "evaluation",
        "duplicate key, first given in line 24; allowed: each key once",
    ),
    (
        "learning_rate: 0.05, ",
        "",
        "7:1",
        "training.learning_rate",
        "is missing; allowed: the optimiser's step size",
    ),
    (
        "learning_rate: 0.05",
        "learning_rate: -0.1",
        "7:43",
        "training.learning_rate",
        "-0.1 is too small; allowed: more than 0",
    ),
    (
        "count: 10",
        "count: ten",
        "9:10",
        "clients.count",
        "'ten' is not a whole number; allowed: a whole number, e.g. 3",
    ),
    (
        LATENCY,
        "{matrix: [[1, x], [3, 4]], unit: ms}",
        "12:26",
        "network.latency.matrix.0.1",
        "'x' is not a number; allowed: a number, e.g. 0.5",
    ),
    (
        LATENCY,
        "{matrix: [[1]], unit: min}",
        "12:34",
        "network.latency.unit",
        "'min' is not known here; allowed: s, ms or us",
    ),
    (
        "evaluation:",
        "extra: 1\nevaluation:",
        "24:1",
        "extra",
        "unknown key; allowed: name, question,",
    ),
    (
        "seeds: [0, 1, 2]",
        "seeds: [99999999999999999999]",
        "4:9",
        "seeds.0",
        "99999999999999999999 is too large; allowed: less than 9223372036854775808",
    ),
    (
        "  downlink: 100 Mbit/s\n",
        "",
        "11:1",
        "network.downlink",
        "is missing; allowed: bandwidth into a client, for all or listed for each",
    ),
    (
        "alpha: 0.3",
        "alpha: 0.3, minimum_samples: 0",
        "5:80",
        "task.partition.minimum_samples",
        "0 is too small; allowed: at least 1",
    ),
    (
        "partition: {kind: dirichlet, alpha: 0.3}",
        "partition: iid",
        "5:33",
        "task.partition",
        "'iid' is not a mapping; allowed: a mapping of names to values, {} for none",
    ),
    (
        "pooled: {}",
        "pooled: !!map {}",
        "22:11",
        "protocols.pooled",
        "a tag; allowed: plain values, no !",
    ),
    (
        "pooled: {}",
        "pooled: &x {}",
        "22:11",
        "protocols.pooled",
        "an anchor; allowed: values written out, no & and *",
    ),
    (
        "pooled: {}",
        "pooled: *x",
        "22:11",
        "protocols.pooled",
        "an alias; allowed: values written out, no & and *",
    ),
    (
        "pooled: {}",
        "pooled: {",
        "24:1",
        "(top)",
        "not valid YAML (a bracket is not closed); allowed: YAML 1.2",
    ),
    (
        "pooled: {}",
        "pooled: }",
        "22:11",
        "(top)",
        "not valid YAML (expected the node content, but found '}'); allowed: YAML 1.2",
    ),
    (
        "  count: 10",
        "\tcount: 10",
        "9:1",
        "(top)",
        "not valid YAML (a tab, where YAML takes only spaces); allowed: YAML 1.2",
    ),
    (
        "  count: 10",
        "    count: 10",
        "10:3",
        "(top)",
        "not valid YAML (wrong indentation); allowed: YAML 1.2",
    ),
    (
        "duration: 30 min",
        "duration: 'x",
        "25:1",
        "(top)",
        "not valid YAML (a quotation mark is not closed); allowed: YAML 1.2",
    ),
    (
        "duration: 30 min",
        "duration: a: b",
        "3:12",
        "(top)",
        "not valid YAML (a second ': ' in one line, or wrong indentation); allowed: YAML 1.2",
    ),
    (
        "evaluation:",
        "---\nevaluation:",
        "24:1",
        "(top)",
        "a second document begins; allowed: one document in a file",
    ),
    (
        "name: server_crash",
        "? [name]\n: server_crash",
        "2:3",
        "(top)",
        "a key that is no name; allowed: names as keys",
    ),
    (
        "pooled: {}",
        "pooled: [[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]",
        "22:30",
        "protocols.pooled.0",
        "nested too deeply; allowed: 20 levels",
    ),
    (
        "name: server_crash",
        "name: \x07",
        "2:7",
        "(top)",
        "unprintable character; allowed: printable text",
    ),
    (
        FAULT,
        f"{{kind: partition, groups: [[{EVERYONE}]], at: 1 s, heals_after: 1 s}}",
        "18:43",
        "faults.server_crash.groups",
        "puts all nodes in one group; allowed: at least two groups",
    ),
    (
        FAULT,
        "{kind: partition, groups: [[]], at: 1 s, heals_after: 1 s}",
        "18:44",
        "faults.server_crash.groups.0",
        "is too short; allowed: at least one entry",
    ),
    (
        FAULT,
        "{kind: churn, nodes: [client_1, client_1], failure_rate: 1 / h, mean_time_to_repair: 2s}",
        "18:49",
        "faults.server_crash.nodes.1",
        "client_1 is named twice; allowed: each node once",
    ),
    (
        FAULT,
        "{kind: churn, nodes: all, failure_rate: 1 / h, mean_time_to_repair: 0 s}",
        "18:85",
        "faults.server_crash.mean_time_to_repair",
        "is zero; allowed: more than zero",
    ),
    (
        "at: 10 min",
        "at: 10 min, recovers_after: 0 s",
        "18:73",
        "faults.server_crash.recovers_after",
        "is zero; allowed: more than zero",
    ),
]

OVERRIDES = [
    ("duration", "(top)", "is no override; allowed: PATH=VALUE, e.g. duration=1 h"),
    ("=1", "(top)", "is no override; allowed: PATH=VALUE, e.g. duration=1 h"),
    (".=1", "(top)", "is no override; allowed: PATH=VALUE, e.g. duration=1 h"),
    ("durration=1 h", "durration", "unknown key, did you mean duration?"),
    ("duration=5", "duration", "5 needs a unit; allowed: e.g. '20 s'"),
    ("seeds.9=1", "seeds.9", "no such entry; allowed: an entry from 0 to 2"),
    ("seeds.x=1", "seeds.x", "no such entry; allowed: an entry from 0 to 2"),
    ("name.x=1", "name.x", "leads into a single value; allowed: an existing path"),
    ("duration=[1", "duration", "'[1' is no YAML value; allowed: e.g. 20 s, 0.5 or [1, 2]"),
    ("duration=*a", "duration", "'*a' is no YAML value; allowed: e.g. 20 s, 0.5 or [1, 2]"),
    ("faults.x.kind=crash", "faults.x.node", "is missing; allowed: the node that crashes"),
    (
        "faults.server_crash.att=5 min",
        "faults.server_crash.att",
        "unknown key, did you mean at?; allowed: kind, node, at, recovers_after, loses_storage",
    ),
    (
        "clients.count=",
        "clients.count",
        "nothing is not a whole number; allowed: a whole number, e.g. 3",
    ),
    ("protocols={}", "protocols", "is too short; allowed: at least one entry"),
    (
        "server=null",
        "server",
        "is missing, but protocols.fedavg has a server; allowed: uplink, downlink and",
    ),
    ("output.keep_models=all", "output.keep_models", "'all' is not known here; allowed: none or"),
    ("output={}", "output.keep_models", "is missing; allowed: none, final"),
    ("seeds.0=-1", "seeds.0", "-1 is too small; allowed: at least 0"),
]

FILES = [
    (b"", "1:1", "file is empty"),
    (b"# only a comment\n", "2:1", "file is empty"),
    (b"\x89PNG\r\n\x00\x1a", "1:1", "is a binary file"),
    (b"name: \xff\xfe", "1:1", "is a binary file"),
    (b"# " + b"x" * 10_000_000, "1:1", "file is too large; allowed: up to 1000000 bytes"),
    (b"just text\n", "1:1", "is not a scenario; allowed: a mapping"),
    (b"- a\n- b\n", "1:1", "is not a scenario; allowed: a mapping"),
]


def complaint(path: Path | str, *overrides: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(path, overrides)
    text = str(caught.value)
    assert "\n" not in text
    assert "; allowed: " in text and not text.endswith("; allowed: ")
    assert "pydantic" not in text and "Input should" not in text
    return text


def test_there_are_enough_mistakes_and_the_scenario_has_none(tmp_path: Path) -> None:
    assert len(MISTAKES) + len(FILES) + len(OVERRIDES) >= 60
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    assert load(path).name == "server_crash"


@pytest.mark.parametrize(("old", "new", "place", "where", "what"), MISTAKES)
def test_a_mistake_is_told_in_one_line(
    old: str, new: str, place: str, where: str, what: str, tmp_path: Path
) -> None:
    assert old in SCENARIO
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO.replace(old, new, 1), encoding="utf-8")
    assert complaint(path).startswith(f"{path}:{place}: {where}: {what}")


@pytest.mark.parametrize(("override", "where", "what"), OVERRIDES)
def test_a_mistaken_override_is_named(override: str, where: str, what: str) -> None:
    text = complaint("server_crash", override)
    assert text.startswith(f"--set {override}: {where}: {what}")


@pytest.mark.parametrize(("content", "place", "what"), FILES)
def test_a_file_that_is_no_scenario(content: bytes, place: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_bytes(content)
    assert complaint(path).startswith(f"{path}:{place}: (top): {what}")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert complaint(tmp_path / "no.yaml").startswith(f"{tmp_path}/no.yaml:1:1: (top): no such")
    assert complaint(tmp_path).startswith(f"{tmp_path}:1:1: (top): is a folder")
    assert "server_crash" in complaint("no_such_scenario")
    assert "is no file name" in complaint("a\0b.yaml")
