//! `image_url` parts. turnmux fetches nothing by itself, so an image has to stand in the request, as a `data:` URL.

use bytes::Bytes;
use serde_json::Value;

use crate::api::respond::ApiError;
use crate::protocol::{IMAGES_BYTES_MAX, IMAGES_MAX, Image, ImageError, ImageFormat};

/// How such a URL begins.
const SCHEME: &str = "data:";
/// What the last of its parameters says.
const ENCODING: &str = "base64";

/// A part of a message that shows an image, not looked at yet. `detail` says how closely OpenAI's models look: agents look as
/// they do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct ImagePart {
    /// Where in the request its URL stands.
    path: String,
    /// The URL; none where there is no text in its place.
    url: Option<String>,
}

impl ImagePart {
    /// Takes the URL out of a part.
    pub(super) fn of(part: &mut Value, path: String) -> Self {
        let url = match part.get_mut("image_url") {
            // As some clients have it.
            Some(Value::String(url)) => Some(std::mem::take(url)),
            Some(image) => match image.get_mut("url").map(Value::take) {
                Some(Value::String(url)) => Some(url),
                _ => None,
            },
            None => None,
        };
        Self { path, url }
    }

    /// The error that it is at fault.
    pub(super) fn refuse(&self, code: &'static str, why: &str) -> ApiError {
        ApiError::field(self.path.clone(), code, format!("`{}`: {why}", self.path))
    }

    /// The image itself.
    fn read(&mut self) -> Result<Image, ApiError> {
        let url = self.url.take().unwrap_or_default();
        parse(url).map_err(|why| self.refuse("invalid_image", &why))
    }
}

/// How much more a turn may show.
#[derive(Debug)]
pub(super) struct Room {
    images: usize,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { images: IMAGES_MAX, bytes: IMAGES_BYTES_MAX }
    }
}

impl Room {
    /// The image of a part.
    ///
    /// # Errors
    /// When it is no image that can be taken, or there is no room for it; names the field.
    pub(super) fn take(&mut self, mut part: ImagePart) -> Result<Image, ApiError> {
        let Some(images) = self.images.checked_sub(1) else {
            let why = format!("a turn takes at most {IMAGES_MAX} images; send fewer");
            return Err(part.refuse("too_many_images", &why));
        };
        let image = part.read()?;
        self.bytes = self.bytes.checked_sub(image.bytes()).ok_or_else(|| {
            let mebibytes = IMAGES_BYTES_MAX >> 20;
            part.refuse(
                "invalid_image",
                &format!("a turn takes at most {mebibytes} MiB of images; send fewer or smaller ones"),
            )
        })?;
        self.images = images;
        Ok(image)
    }
}

/// The image in a `data:` URL, or what is wrong with it. Nothing is copied.
fn parse(url: String) -> Result<Image, String> {
    const FORM: &str = "expected a URL that holds the image itself, such as data:image/png;base64,iVBORw0…";
    const LINK: &str = "turnmux fetches no images; send the image itself, as data:image/png;base64,iVBORw0…";
    let begins = |with: &str| url.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    if !begins(SCHEME) {
        return Err(if begins("http:") || begins("https:") { LINK } else { FORM }.to_owned());
    }
    let (head, data) = url[SCHEME.len()..].split_once(',').ok_or(FORM)?;
    // Parameters may stand between the two, and say nothing about an image.
    let (media_type, parameters) = head.split_once(';').ok_or(FORM)?;
    if !parameters.rsplit(';').next().is_some_and(|last| last.trim().eq_ignore_ascii_case(ENCODING)) {
        return Err(FORM.to_owned());
    }
    let format = ImageFormat::named(media_type.trim()).ok_or_else(|| unfit(&ImageError::Unknown))?;
    let at = url.len() - data.len();
    Image::from_base64(format, Bytes::from(url).slice(at..)).map_err(|error| unfit(&error))
}

fn unfit(error: &ImageError) -> String {
    format!("the image {error}")
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use serde_json::json;

    use super::*;

    fn part(image_url: &Value) -> ImagePart {
        ImagePart::of(&mut json!({ "type": "image_url", "image_url": image_url }), "there".to_owned())
    }

    /// A PNG of that many bytes, by its first ones.
    fn png(bytes: usize) -> ImagePart {
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        png.resize(bytes, 0);
        part(&json!({ "url": format!("data:image/png;base64,{}", BASE64.encode(&png)) }))
    }

    fn read(parts: Vec<ImagePart>) -> Result<Vec<Image>, ApiError> {
        let mut room = Room::default();
        parts.into_iter().map(|part| room.take(part)).collect()
    }

    fn refused(parts: Vec<ImagePart>) -> (&'static str, String) {
        let error = read(parts).unwrap_err();
        let body = error.body();
        assert_eq!(body.error.param, Some("there"));
        let code = ["invalid_image", "too_many_images"].into_iter().find(|code| *code == body.error.code);
        (code.expect("one of the two"), body.error.message.to_owned())
    }

    #[test]
    fn data_urls_are_taken_as_they_are() {
        for url in [
            json!({"url": "data:image/gif;base64,R0lGODlh", "detail": "low"}),
            json!("DATA:Image/GIF;name=a.gif;Base64,R0lGODlh"),
        ] {
            let images = read(vec![part(&url)]).unwrap();
            assert_eq!((images[0].format(), images[0].base64()), (ImageFormat::Gif, "R0lGODlh"));
        }
    }

    #[test]
    fn what_is_no_image_says_what_to_send() {
        for (url, says) in [
            (json!({"url": "https://example.com/a.png"}), "fetches no images"),
            (json!({"url": "HTTP://example.com/a.png"}), "fetches no images"),
            (json!({"url": "/home/me/a.png"}), "expected a URL that holds"),
            (json!({"url": "data:image/gif,R0lGODlh"}), "expected a URL that holds"),
            (json!({"url": "data:image/gif;base64"}), "expected a URL that holds"),
            (json!({"url": 5}), "expected a URL that holds"),
            (json!({}), "expected a URL that holds"),
            (json!(null), "expected a URL that holds"),
            (json!({"url": "data:image/svg+xml;base64,R0lGODlh"}), "is none of image/png"),
            (json!({"url": "data:image/png;base64,R0lGODlh"}), "first bytes are those of image/gif"),
            (json!({"url": "data:image/png;base64,PHN2Zy8+"}), "is none of image/png"),
            (json!({"url": "data:image/gif;base64,R0lG\nODlh"}), "without spaces or line breaks"),
            (json!({"url": "data:image/gif;base64,"}), "is none of"),
            (json!({"url": "dätä:image/gif;base64,"}), "expected a URL that holds"),
        ] {
            let (code, message) = refused(vec![part(&url)]);
            assert!(code == "invalid_image" && message.contains(says), "{url}: {message}");
            assert!(message.starts_with("`there`: "), "{message}");
        }
    }

    #[test]
    fn a_turns_images_have_bounds() {
        assert_eq!(read((0..IMAGES_MAX).map(|_| png(20)).collect()).unwrap().len(), IMAGES_MAX);
        let (code, message) = refused((0..=IMAGES_MAX).map(|_| png(20)).collect());
        assert!(code == "too_many_images" && message.contains("at most 100"), "{message}");
        let large = || png(8 << 20);
        assert_eq!(read(vec![large(), large(), large(), large()]).unwrap().len(), 4);
        let (_, message) = refused(vec![large(), large(), large(), large(), png(20)]);
        assert!(message.contains("32 MiB"), "{message}");
    }
}
