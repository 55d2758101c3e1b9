//! Images that belong to a turn's input.
//!
//! An image stays the base64 text that it came as, from the request's body to the agent's pipe: it is checked once, and
//! clones share it.

use std::fmt;
use std::hash::Hasher as _;

use bytes::Bytes;
use data_encoding::BASE64;
use fnv::FnvHasher;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The largest image, in bytes. Claude Code scales down by itself what its service would not take (5 MB, 2000 pixels a side);
/// tried with 8 MB.
pub const IMAGE_BYTES_MAX: usize = 10 << 20;

/// The images of one turn at most: as many as Anthropic takes in one request.
pub const IMAGES_MAX: usize = 100;

/// The images of one turn together, in bytes: what Anthropic takes in one request.
pub const IMAGES_BYTES_MAX: usize = 32 << 20;

/// What an image may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageFormat {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF; of one that moves, agents look at the first picture.
    Gif,
    /// WebP.
    Webp,
}

/// An image: one of the formats, not empty, at most [`IMAGE_BYTES_MAX`] long.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    format: ImageFormat,
    /// Valid base64, and so ASCII.
    base64: Bytes,
    /// As in its mark: found once, for it takes some milliseconds.
    digest: u64,
}

/// What is told of an image where the image itself is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageMark {
    /// Its format.
    pub media_type: ImageFormat,
    /// Its length, in bytes.
    pub bytes: usize,
    /// A number by which it is told from others. It need not keep strangers out: it is compared within one session.
    pub digest: u64,
}

/// Why something is no image that can be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The text is not base64.
    #[error(
        "is not valid base64: send the standard alphabet (`+` and `/`) with its padding, without spaces or line breaks"
    )]
    NotBase64,
    /// It is none of the formats.
    #[error("is none of image/png, image/jpeg, image/gif and image/webp")]
    Unknown,
    /// It is another format than is said.
    #[error("is said to be {said}, and its first bytes are those of {found}; name the right media type")]
    Other {
        /// What is said.
        said: ImageFormat,
        /// What it is.
        found: ImageFormat,
    },
    /// It is too large.
    #[error("is larger than {} MiB; send a smaller one", IMAGE_BYTES_MAX >> 20)]
    TooLarge,
}

impl ImageFormat {
    /// The format that a file beginning so has.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }

    /// The format that a media type names, in whatever case.
    pub fn named(media_type: &str) -> Option<Self> {
        // Not registered, and in use.
        const JPG: &str = "image/jpg";
        let all = [Self::Png, Self::Jpeg, Self::Gif, Self::Webp];
        let named = all.into_iter().find(|format| format.media_type().eq_ignore_ascii_case(media_type));
        named.or_else(|| media_type.eq_ignore_ascii_case(JPG).then_some(Self::Jpeg))
    }

    /// Its media type, such as `image/png`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }

    /// What its files' names end with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.media_type())
    }
}

impl Serialize for ImageFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.media_type())
    }
}

impl<'de> Deserialize<'de> for ImageFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::named(&text).ok_or_else(|| de::Error::custom(ImageError::Unknown))
    }
}

impl Image {
    /// An image that came as base64, and as which format. Reads all of it: some milliseconds for each MiB.
    ///
    /// # Errors
    /// When it is no such image.
    pub fn from_base64(said: ImageFormat, base64: Bytes) -> Result<Self, ImageError> {
        // Before it is read: this may be as long as the longest request.
        if base64.len() / 4 * 3 > IMAGE_BYTES_MAX + 3 {
            return Err(ImageError::TooLarge);
        }
        let bytes = BASE64.decode(&base64).map_err(|_| ImageError::NotBase64)?;
        if bytes.len() > IMAGE_BYTES_MAX {
            return Err(ImageError::TooLarge);
        }
        match ImageFormat::of(&bytes).ok_or(ImageError::Unknown)? {
            found if found == said => Ok(Self { format: said, base64, digest: digest(&bytes) }),
            found => Err(ImageError::Other { said, found }),
        }
    }

    /// The image that these bytes are.
    ///
    /// # Errors
    /// When they are none.
    pub fn encode(bytes: &[u8]) -> Result<Self, ImageError> {
        let format = ImageFormat::of(bytes).ok_or(ImageError::Unknown)?;
        if bytes.len() > IMAGE_BYTES_MAX {
            return Err(ImageError::TooLarge);
        }
        Ok(Self { format, base64: BASE64.encode(bytes).into(), digest: digest(bytes) })
    }

    /// Its format.
    pub fn format(&self) -> ImageFormat {
        self.format
    }

    /// The image as base64.
    pub fn base64(&self) -> &str {
        std::str::from_utf8(&self.base64).unwrap_or_default()
    }

    /// The image itself.
    pub fn decode(&self) -> Vec<u8> {
        BASE64.decode(&self.base64).unwrap_or_default()
    }

    /// Its length, in bytes.
    pub fn bytes(&self) -> usize {
        let padding = self.base64.iter().rev().take_while(|&&byte| byte == b'=').count();
        self.base64.len() / 4 * 3 - padding
    }

    /// What is told of it.
    pub fn mark(&self) -> ImageMark {
        ImageMark { media_type: self.format, bytes: self.bytes(), digest: self.digest }
    }
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

impl fmt::Debug for Image {
    /// Leaves out the image: nobody would read it, and it is part of the conversation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("format", &self.format).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// An image as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    media_type: ImageFormat,
    data: T,
}

impl Serialize for Image {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Kept { media_type: self.format, data: self.base64() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Kept { media_type, data } = Kept::<String>::deserialize(deserializer)?;
        Self::from_base64(media_type, data.into()).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand so on";

    fn image(said: ImageFormat, bytes: &[u8]) -> Result<Image, ImageError> {
        Image::from_base64(said, BASE64.encode(bytes).into())
    }

    #[test]
    fn each_format_is_known_by_its_first_bytes() {
        for (bytes, format) in [
            (PNG, ImageFormat::Png),
            (b"\xff\xd8\xff\xe0 and so on", ImageFormat::Jpeg),
            (b"GIF89a and so on", ImageFormat::Gif),
            (b"GIF87a", ImageFormat::Gif),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", ImageFormat::Webp),
        ] {
            let image = image(format, bytes).unwrap();
            assert_eq!((image.format(), image.bytes(), &*image.decode()), (format, bytes.len(), bytes));
            assert_eq!(Image::encode(bytes), Ok(image));
            assert_eq!(ImageFormat::named(&format.media_type().to_uppercase()), Some(format));
        }
        assert_eq!(ImageFormat::named("image/jpg"), Some(ImageFormat::Jpeg));
        assert_eq!(ImageFormat::named("image/svg+xml"), None);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        assert_eq!(image(ImageFormat::Png, b"<svg/>").unwrap_err(), ImageError::Unknown);
        assert_eq!(image(ImageFormat::Png, b"").unwrap_err(), ImageError::Unknown);
        let other = ImageError::Other { said: ImageFormat::Jpeg, found: ImageFormat::Png };
        assert_eq!(image(ImageFormat::Jpeg, PNG).unwrap_err(), other);
        let whole = BASE64.encode(PNG);
        for text in [&whole[1..], &whole.replace('=', ""), &format!("{whole}\n"), "a b=", "_-_-", "ä"] {
            let text = Bytes::copy_from_slice(text.as_bytes());
            assert_eq!(Image::from_base64(ImageFormat::Png, text.clone()), Err(ImageError::NotBase64), "{text:?}");
        }
    }

    #[test]
    fn the_largest_image_is_taken_and_a_larger_one_is_not() {
        let mut bytes = PNG.to_vec();
        bytes.resize(IMAGE_BYTES_MAX, b'x');
        assert_eq!(image(ImageFormat::Png, &bytes).unwrap().bytes(), IMAGE_BYTES_MAX);
        bytes.push(b'x');
        assert_eq!(image(ImageFormat::Png, &bytes).unwrap_err(), ImageError::TooLarge);
        bytes.resize(IMAGE_BYTES_MAX + 100, b'x');
        assert_eq!(image(ImageFormat::Png, &bytes).unwrap_err(), ImageError::TooLarge);
    }

    #[test]
    fn it_is_kept_as_it_is_and_told_from_others() {
        let one = image(ImageFormat::Png, PNG).unwrap();
        let kept = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Image>(&kept).unwrap(), one);
        let other = image(ImageFormat::Png, b"\x89PNG\r\n\x1a\nand so oN").unwrap();
        assert_ne!(one.mark(), other.mark());
        assert_eq!(one.mark(), one.clone().mark());
        assert!(!format!("{one:?}").contains(&one.base64()[..8]), "{one:?}");
    }
}
