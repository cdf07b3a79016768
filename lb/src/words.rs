//! Choices that have a word each, the same in flags, files, JSON and logs.

/// Gives an enum its words: `ALL`, `name`, `Display` and `FromStr`, whose error names all of them.
macro_rules! words {
    ($type:ident, $what:literal, { $($variant:ident => $word:literal,)+ }) => {
        impl $type {
            /// All of them.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word for it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.into_iter().find(|choice| choice.name() == text).ok_or_else(|| {
                    format!("'{text}' is {}; write one of {}", $what, Self::ALL.map(Self::name).join(", "))
                })
            }
        }
    };
}

pub(crate) use words;
