//! The macros that expand a trait's laws to tests.

/// One test for each law: how every `…_laws!` macro ends.
#[doc(hidden)]
#[macro_export]
macro_rules! __law_tests {
    ($name:ident, $module:ident, $block_on:expr, $factory:expr, $except:expr; $($law:ident)*) => {
        mod $name {
            #[allow(unused_imports, reason = "what the factory names may all be in scope already")]
            use super::*;
            $(
                #[test]
                fn $law() {
                    let factory = $factory;
                    let result = ($block_on)(async {
                        let (subject, guard) = factory().await.into_parts()?;
                        let result = $crate::testing::laws::$module::$law(&subject).await;
                        drop(subject);
                        drop(guard);
                        result
                    });
                    $crate::__settle_law!(concat!(stringify!($module), "::", stringify!($law)), result, $except);
                }
            )*
        }
    };
}

/// The effects at the end of a law's test: reading the environment, printing past the capture, panicking.
#[doc(hidden)]
#[macro_export]
macro_rules! __settle_law {
    ($law:expr, $result:expr, $except:expr) => {
        let required = ::std::env::var("HARNESS_TEST_REQUIRE").is_ok_and(|value| value == "all");
        match $crate::testing::laws::settle($law, $result, required, $except) {
            Ok(None) => {}
            Ok(Some(aloud)) => {
                // Not `eprintln!`: the test harness would swallow it.
                use ::std::io::Write as _;
                let _ = writeln!(::std::io::stderr(), "{aloud}");
            }
            Err(why) => ::std::panic!("{why}"),
        }
    };
}

/// Defines, around the one list of a trait's laws, the macro that makes tests of them and the table that names them.
macro_rules! laws_of {
    ($d:tt $(#[$doc:meta])* $macro:ident => $module:ident $(($generic:ident: $bound:path))? [$subject:ty]; $($law:ident)*) => {
        $(#[$doc])*
        #[macro_export]
        macro_rules! $macro {
            ($d name:ident, $d block_on:expr, $d factory:expr $d(,)?) => {
                $d crate::__law_tests! { $d name, $module, $d block_on, $d factory, &[]; $($law)* }
            };
            ($d name:ident, $d block_on:expr, $d factory:expr, except $d except:expr $d(,)?) => {
                $d crate::__law_tests! { $d name, $module, $d block_on, $d factory, $d except; $($law)* }
            };
        }

        /// The names of all laws of this trait.
        pub const NAMES: &[&str] = &[$(stringify!($law)),*];

        /// All laws of this trait, for whoever wants to go through them without the macro.
        pub fn laws$(<$generic: $bound>)?() -> Vec<$crate::testing::laws::Law<$subject>> {
            vec![$($crate::testing::laws::Law {
                name: stringify!($law),
                check: |subject| Box::pin($law(subject)),
            }),*]
        }
    };
}
pub(super) use laws_of;
