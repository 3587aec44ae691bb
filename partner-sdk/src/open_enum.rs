//! Enums that the house may extend.

/// Declares an enum with the variants of one in the interface, and one more for what a later house may send: a client
/// that is older than the house must not fall over a new word.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $name:ident = $wire:ident, unspecified $unspecified:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )*
            /// None, or one that this version of the SDK does not know: its number in the interface.
            Other(i32),
        }

        impl $name {
            /// All that this version of the SDK knows.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word the rules and the interface use, in UPPER_SNAKE.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $text, )*
                    Self::Other(_) => "OTHER",
                }
            }

            #[allow(dead_code, reason = "enums that only requests use are never read")]
            pub(crate) fn from_number(number: i32) -> Self {
                match clearing_proto::v1::$wire::try_from(number) {
                    $( Ok(clearing_proto::v1::$wire::$variant) => Self::$variant, )*
                    Ok(clearing_proto::v1::$wire::$unspecified) | Err(_) => Self::Other(number),
                }
            }

            #[allow(dead_code, reason = "enums that only answers use are never written")]
            pub(crate) fn to_wire(self) -> i32 {
                match self {
                    $( Self::$variant => clearing_proto::v1::$wire::$variant.into(), )*
                    Self::Other(number) => number,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use open_enum;
