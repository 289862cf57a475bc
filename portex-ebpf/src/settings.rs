//! Access to the read-only globals that user space fixed before loading.

use portex_common::Settings;

/// Overridden by the loader under this name.
#[unsafe(no_mangle)]
static SETTINGS: Settings = Settings::UNSET;

/// Reads one field of [`SETTINGS`].
///
/// Volatile, so that the compiler keeps the load; the verifier knows the value, as the map behind
/// it is frozen, and drops the code that it rules out.
macro_rules! setting {
    ($($field:ident).+) => {
        // SAFETY: the place is a field of a live static.
        unsafe { core::ptr::read_volatile(&raw const $crate::settings::all().$($field).+) }
    };
}
pub(crate) use setting;

#[inline(always)]
pub(crate) fn all() -> &'static Settings {
    &SETTINGS
}
