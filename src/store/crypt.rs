//! `metadata_encryption_key`: decrypts `image_locations.value`.
//!
//! Glance (`glance/common/crypt.py`) stores urlsafe base64, padded, of a 16 byte IV and AES-CBC of
//! URI + NUL + 0 to 15 random bytes that are not NUL. It is not authenticated: a wrong key gives
//! garbage, so a decrypted text is accepted only if it is a URI of one of Glance's schemes.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use secrecy::{ExposeSecret, SecretString};

use super::StoreSetupError;
use crate::domain::location::LocationValue;
use crate::domain::store::StoreUri;

const BLOCK: usize = 16;

/// Schemes of `glance_store`'s drivers, supported here or not.
const KNOWN_SCHEMES: [&str; 14] = [
    "file",
    "filesystem",
    "http",
    "https",
    "rbd",
    "swift",
    "swift+http",
    "swift+https",
    "swift+config",
    "s3",
    "s3+http",
    "s3+https",
    "cinder",
    "vsphere",
];

/// Reads stored location values, encrypted or not. The key never shows in `Debug`.
#[derive(Debug, Clone)]
pub(super) struct ValueReader {
    key: Option<SecretString>,
}

impl ValueReader {
    /// Takes `metadata_encryption_key`; its bytes are the AES key.
    pub(super) fn new(key: Option<SecretString>) -> Result<Self, StoreSetupError> {
        match key.as_ref().map(|key| key.expose_secret().len()) {
            None | Some(16 | 24 | 32) => Ok(Self { key }),
            Some(length) => Err(StoreSetupError::KeyLength(length)),
        }
    }

    /// The plain URI of a stored value; `None` if it neither is nor decrypts to one.
    ///
    /// Databases mix plain and encrypted rows (the key was set later, or the locations API wrote
    /// one), so a value with a known scheme is plain text; `:` is not in the base64 alphabet.
    pub(super) fn read(&self, value: &LocationValue) -> Option<StoreUri> {
        let stored = value.as_stored();
        let Some(key) = &self.key else { return StoreUri::parse(stored) };
        known_uri(stored).or_else(|| known_uri(&decrypt(key.expose_secret().as_bytes(), stored)?))
    }
}

/// Whether `scheme` (lower case) is one of Glance's.
pub(super) fn is_known_scheme(scheme: &str) -> bool {
    KNOWN_SCHEMES.contains(&scheme)
}

fn known_uri(text: &str) -> Option<StoreUri> {
    StoreUri::parse(text).filter(|uri| is_known_scheme(&uri.scheme()))
}

/// The text that Glance encrypted.
fn decrypt(key: &[u8], stored: &str) -> Option<String> {
    let mut buffer = URL_SAFE.decode(stored).ok()?;
    if buffer.len() < 2 * BLOCK || buffer.len() % BLOCK != 0 {
        return None;
    }
    let (iv, data) = buffer.split_at_mut(BLOCK);
    match key.len() {
        16 => decrypt_with::<cbc::Decryptor<Aes128>>(key, iv, data)?,
        24 => decrypt_with::<cbc::Decryptor<Aes192>>(key, iv, data)?,
        _ => decrypt_with::<cbc::Decryptor<Aes256>>(key, iv, data)?,
    }
    let end = data.iter().rposition(|byte| *byte == 0)?;
    String::from_utf8(data[..end].to_vec()).ok()
}

fn decrypt_with<C: KeyIvInit + BlockModeDecrypt>(
    key: &[u8],
    iv: &[u8],
    data: &mut [u8],
) -> Option<()> {
    C::new_from_slices(key, iv).ok()?.decrypt_padded::<NoPadding>(data).ok().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "thisisa16bytekey";
    const CIPHER: &str = "qXyzN6uq3voGqbNSfdGHyfv00fdT0QrHLRbSnsnWTv2adO4dG4cYFkeBo8Y9lj2fX5qi1aocvw5__3Rp-OHHwuK9JxS1AiTKZ15nOa11n1in4HRx9OHLkcNn9f1cxjwg";
    const PLAIN: &str = "file:///var/lib/glance/images/0a1b2c3d-0000-4000-8000-000000000001";

    fn read(key: &str, stored: &str) -> Option<String> {
        let reader = ValueReader::new(Some(SecretString::from(key))).unwrap();
        reader.read(&LocationValue::new(stored.to_owned())).map(|uri| uri.as_str().to_owned())
    }

    #[test]
    fn every_vector_written_by_glance_is_decrypted() {
        let file = include_str!("../../tests/fixtures/crypt_vectors.json");
        let document: serde_json::Value = serde_json::from_str(file).unwrap();
        let vectors = document["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 15);
        for vector in vectors {
            let field = |name: &str| vector[name].as_str().unwrap();
            let plain = decrypt(field("key").as_bytes(), field("cipher"));
            assert_eq!(plain.as_deref(), Some(field("plain")));
        }
    }

    #[test]
    fn only_a_uri_of_a_known_scheme_is_believed() {
        assert_eq!(read(KEY, CIPHER).as_deref(), Some(PLAIN));
        let decrypts_to_fifteen_x = "YVJf6e-SZQuRJkXNQd5QnXXQwoDaiyGNOBWLM0psm14=";
        assert_eq!(read(KEY, decrypts_to_fifteen_x), None);
        assert_eq!(read("another-16-bytes", CIPHER), None);
        assert_eq!(read(KEY, "gopher://somewhere/else"), None);
    }

    #[test]
    fn plain_values_are_read_beside_encrypted_ones() {
        assert_eq!(read(KEY, PLAIN).as_deref(), Some(PLAIN));
        let reader = ValueReader::new(None).unwrap();
        assert!(reader.read(&LocationValue::new(PLAIN.to_owned())).is_some());
        assert!(reader.read(&LocationValue::new(CIPHER.to_owned())).is_none());
    }

    #[test]
    fn damaged_cipher_text_is_unreadable() {
        let unpadded = "YVJf6e-SZQuRJkXNQd5QnXXQwoDaiyGNOBWLM0psm14";
        let standard_alphabet = CIPHER.replace('_', "/");
        let with_newline = format!("{CIPHER}\n");
        let cut = &CIPHER[..CIPHER.len() - 4];
        for damaged in ["", "====", unpadded, &standard_alphabet, &with_newline, cut] {
            assert_eq!(decrypt(KEY.as_bytes(), damaged), None, "{damaged:?}");
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused_without_being_shown() {
        let error = ValueReader::new(Some(SecretString::from("hunter2"))).unwrap_err();
        assert_eq!(error, StoreSetupError::KeyLength(7));
        assert!(!error.to_string().contains("hunter2"));
        let reader = ValueReader::new(Some(SecretString::from(KEY))).unwrap();
        assert!(!format!("{reader:?}").contains(KEY));
    }
}
