//! The cores of the machine, in the form for `taskset`.

/// The core of the proxy.
pub(super) const PROXY_CORE: &str = "0";

/// The core of the load generator, the backends, and everything else here.
pub(super) const LOAD_CORE: &str = "1";

/// Both cores.
pub(super) const BOTH_CORES: &str = "0,1";
