//! Keys whose values are secrets whatever they look like, such as `password`. Part of rule set 1, frozen with it.

/// The kind of a secret that was found by its key.
pub(crate) const KIND: &str = "named";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sensitivity {
    /// Any value is a secret.
    Always,
    /// A value that looks drawn at random is a secret; a name, a path or an id of something is not.
    WhenRandom,
}

const ALWAYS: [&str; 30] = [
    "accesstoken",
    "accountkey",
    "apikey",
    "authorization",
    "authtoken",
    "awssecretaccesskey",
    "awssessiontoken",
    "bearertoken",
    "clientsecret",
    "cookie",
    "idtoken",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "proxyauthorization",
    "refreshtoken",
    "secretaccesskey",
    "secretkey",
    "securitytoken",
    "sessiontoken",
    "setcookie",
    "sharedsecret",
    "signingsecret",
    "webhooksecret",
    "xamzsecuritytoken",
    "xapikey",
    "xauthtoken",
    "xgitlabtoken",
    "xvaulttoken",
];

const WHEN_RANDOM: [&str; 2] = ["secret", "token"];

/// How a key is to be treated, whatever its case and whether its words are joined by `_` or `-`.
pub(crate) fn sensitivity(key: &str) -> Option<Sensitivity> {
    let mut plain = [0_u8; 20];
    let mut length = 0;
    for byte in key.bytes().filter(|byte| !matches!(byte, b'_' | b'-')) {
        *plain.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    let plain = std::str::from_utf8(plain.get(..length)?).ok()?;
    match plain {
        _ if ALWAYS.binary_search(&plain).is_ok() => Some(Sensitivity::Always),
        _ if WHEN_RANDOM.contains(&plain) => Some(Sensitivity::WhenRandom),
        _ => None,
    }
}

impl Sensitivity {
    pub(crate) fn covers(self, value: &str) -> bool {
        match self {
            Self::Always => value.len() >= 6,
            Self::WhenRandom => looks_random(value),
        }
    }
}

fn looks_random(value: &str) -> bool {
    let has = |test: fn(&u8) -> bool| value.as_bytes().iter().any(test);
    value.len() >= 16
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !has(|byte| byte.is_ascii_whitespace() || *byte == b':')
        && !value.starts_with("projects/")
        && !is_uuid(value)
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether a value stands for a secret that somebody masked already: ours, a Vault's hash, stars.
pub(crate) fn is_mask(value: &str) -> bool {
    const BEGINNINGS: [&str; 4] = ["[redacted", "hmac-sha256:", "sha256:", "HIDDEN_DUE_TO_"];
    const WORDS: [&str; 6] = ["masked", "redacted", "hidden", "[filtered]", "undefined", "(none)"];
    BEGINNINGS.iter().any(|beginning| value.starts_with(beginning))
        || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
        || value.bytes().all(|byte| matches!(byte, b'*' | b'.' | b'-' | b'x' | b'X'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_so_that_it_can_be_searched() {
        assert!(ALWAYS.is_sorted());
    }

    #[test]
    fn spelling_does_not_matter() {
        for key in ["secretAccessKey", "SECRET_ACCESS_KEY", "secret-access-key", "X-Api-Key", "password"] {
            assert_eq!(sensitivity(key), Some(Sensitivity::Always), "{key}");
        }
        for key in ["token_fp", "refresh_token_fp", "jti", "key_id", "accessKeyId", "clientRequestToken", "é", ""] {
            assert_eq!(sensitivity(key), None, "{key}");
        }
    }

    #[test]
    fn a_name_of_a_secret_is_not_a_secret() {
        for value in ["daily-report", "arn:aws:sm:eu-1:1:secret:db1", "1b4e28ba-2fa1-11d2-883f-0016d3cca427"] {
            assert!(!Sensitivity::WhenRandom.covers(value), "{value}");
        }
        assert!(Sensitivity::WhenRandom.covers("9f86d081884c7d659a2f"));
    }

    #[test]
    fn masks_of_others_stay() {
        for value in
            ["[redacted:named:ab-cd]", "hmac-sha256:ab12", "MASKED", "********", "", "HIDDEN_DUE_TO_SECURITY_REASONS"]
        {
            assert!(is_mask(value), "{value}");
        }
        assert!(!is_mask("hunter2"));
    }
}
