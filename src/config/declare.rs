//! `options!`, which declares the options of a section.

/// Declares the options of a section, each with its help, name, type and allowed values:
///
/// ```ignore
/// options! {
///     /// `[revert]`.
///     struct RevertConfig of REVERT: RevertOptions {
///         /// How long a revert waits for an image that a pass or another revert holds.
///         lock_wait: Duration = seconds("5");
///     }
/// }
/// ```
///
/// `REVERT.lock_wait` is the option, `RevertOptions::ALL` the descriptions of all of them. `struct
/// RevertConfig of` adds the struct of their values: `RevertConfig::read(&mut section)` returns it,
/// with a field `lock_wait`.
macro_rules! options {
    ($(#[doc = $about:literal])+ struct $Values:ident of $($declared:tt)+) => {
        options! { @values $(#[doc = $about])+ $Values $($declared)+ }
        options! { $(#[doc = $about])+ $($declared)+ }
    };
    (@values $(#[doc = $about:literal])+ $Values:ident $TABLE:ident: $Options:ident {
        $($(#[doc = $help:literal])+ $name:ident: $type:ty = $option:expr;)+
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        pub struct $Values {
            $(#[doc = concat!("`", stringify!($name), "`.")] pub $name: $type,)+
        }

        impl $Values {
            fn values(section: &mut crate::config::reader::Section<'_, '_>) -> Self {
                Self { $($name: section.get(&$TABLE.$name),)+ }
            }
        }
    };
    ($(#[doc = $about:literal])+ $(#[expect($($lint:tt)+)])? $TABLE:ident: $Options:ident {
        $($(#[doc = $help:literal])+ $name:ident: $type:ty = $option:expr;)+
    }) => {
        $(#[doc = $about])+
        $(#[expect($($lint)+)])?
        pub(in crate::config) struct $Options {
            $(pub(in crate::config) $name: crate::config::options::Opt<$type>,)+
        }

        $(#[doc = $about])+
        pub(in crate::config) const $TABLE: $Options = $Options {
            $($name: $option.named(stringify!($name), concat!($($help),+)),)+
        };

        impl $Options {
            /// In the order in which the sample lists them.
            pub(in crate::config) const ALL: &'static [crate::config::options::OptionSpec] =
                &[$($TABLE.$name.spec,)+];
        }
    };
}
pub(in crate::config) use options;
