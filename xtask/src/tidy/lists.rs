//! The exceptions from the rules for comments and names. These lists may only get shorter.

use super::names::SharedName;

/// Files that do not begin with `//!`.
pub(super) const WITHOUT_BEGINNING: &[(&str, &str)] = &[
    ("lb/fuzz/fuzz_targets/chunked_body.rs", "one line; lb/src/fuzz says it"),
    ("lb/fuzz/fuzz_targets/message_rules.rs", "one line; lb/src/fuzz says it"),
    ("lb/fuzz/fuzz_targets/request_head.rs", "one line; lb/src/fuzz says it"),
    ("lb/fuzz/fuzz_targets/response_head.rs", "one line; lb/src/fuzz says it"),
    ("lb/fuzz/fuzz_targets/whole_path.rs", "one line; lb/src/fuzz says it"),
];

/// Words in the pages that look like files of the repository and are not.
pub(super) const FILES_ELSEWHERE: &[(&str, &str)] =
    &[("lb/fuzz/corpus", "the inputs that a fuzzer keeps are not in the repository")];

/// How many comment lines of a folder are still too wide.
pub(super) const WIDE_COMMENTS: &[(&str, usize)] = &[];

/// Names that several types of one crate have.
pub(super) const SHARED_NAMES: &[SharedName] = &[
    ("balance", "Fleet", "one view of the pool; the weights on the bounded ring"),
    ("balance", "Rule", "each rule is named with its module: `budget::Rule`, `silence::Rule`"),
    ("balance", "Transition", "a change of one state; the same with its backend"),
    ("lb", "Answer", "an answer of the admin port; an answer of the proxy"),
    ("lb", "Asked", "a request to the admin port; the facts of a request that its answer needs"),
    (
        "lb",
        "Client",
        "`lb ctl`; a connection in the proxy; the same connection with the resources that it holds",
    ),
    (
        "lb",
        "Command",
        "the commands of the command line and of `lb ctl`; the same for the report on mistakes",
    ),
    ("lb", "Found", "the result of a search, in each module that searches"),
    ("lb", "Framing", "the framing of a request, of an answer, and of a body that is sent"),
    ("lb", "Head", "the head of a request; the head of an answer"),
    ("lb", "Lines", "the lines of a file; the lines of the log"),
    ("lb", "Origin", "the layer that gives a setting; the file that is read again"),
    ("lb", "Place", "a place in a list or below a limit, in each module that has one"),
    ("lb", "Queue", "the queue of a backend; the queue of the log"),
    ("lb", "Reader", "reads a layer of settings; reads a socket"),
    ("lb", "Refusal", "why the admin port refuses a request; why the proxy does"),
    ("lb", "Seen", "the states of a backend at one moment; the progress of a hedged request"),
    ("lb", "Shared", "the values that several owners share, in each module that has some"),
    ("lb", "Source", "the file that a problem is about; the part of a request that is its key"),
    ("lb", "Value", "the value of a setting; the value in a line of the log"),
    ("lb", "Watch", "looks at the configuration file; looks whether a client is still there"),
];

/// The largest share of the files of a crate that may be in a circle of imports, in percent.
pub(super) const MOST_IN_CIRCLES: usize = 10;
