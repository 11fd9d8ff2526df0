//! XML properties files, as `java.util.Properties.loadFromXML` reads them. They have no origins.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::{Budget, Limits, Properties, ReadError, check_size};
use crate::value::{Entry, Value};

/// Reads the one document of an XML properties file. A document type may be named, and is never looked at.
pub fn read_xml(file: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Properties>, ReadError> {
    check_size(file, bytes, limits)?;
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(&text);
    let mut budget = Budget::new(limits);
    let mut properties = Properties::new();
    let result = entries(&mut reader, &mut budget, &mut properties);
    result.map_err(|message| {
        let read = text.len().min(reader.buffer_position() as usize);
        let before = String::from_utf8_lossy(&text.as_bytes()[..read]);
        let line = before.matches('\n').count() as u32 + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) as u32 + 1;
        ReadError { file: file.to_owned(), line, column, message }
    })?;
    Ok(vec![properties])
}

fn entries(
    reader: &mut Reader<&[u8]>,
    budget: &mut Budget<'_>,
    properties: &mut Properties,
) -> Result<(), String> {
    let mut open: Option<(String, String)> = None;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Eof if open.is_none() => return Ok(()),
            Event::Eof => return Err("the file ends inside an entry".to_owned()),
            Event::Start(tag) if tag.name().as_ref() == b"entry" => open = Some((key(&tag)?, String::new())),
            Event::Empty(tag) if tag.name().as_ref() == b"entry" => {
                put(budget, properties, key(&tag)?, String::new())?;
            }
            Event::End(tag) if tag.name().as_ref() == b"entry" => {
                if let Some((key, value)) = open.take() {
                    put(budget, properties, key, value)?;
                }
            }
            event => {
                if let Some((_, value)) = &mut open {
                    value.push_str(&piece(&event)?);
                }
            }
        }
    }
}

fn piece(event: &Event<'_>) -> Result<String, String> {
    match event {
        Event::Text(text) => text.decode().map(Cow::into_owned).map_err(|error| error.to_string()),
        Event::CData(data) => data.decode().map(Cow::into_owned).map_err(|error| error.to_string()),
        Event::GeneralRef(reference) => entity(reference),
        _ => Ok(String::new()),
    }
}

/// The five entities of XML itself and characters by number; others would have to be declared.
fn entity(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(c) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(c.to_string());
    }
    let name = reference.decode().map_err(|error| error.to_string())?;
    let text = quick_xml::escape::resolve_xml_entity(&name);
    text.map(str::to_owned).ok_or_else(|| format!("the entity &{name}; is not one of XML's own"))
}

fn key(tag: &BytesStart<'_>) -> Result<String, String> {
    let attribute = tag.try_get_attribute("key").map_err(|error| error.to_string())?;
    let attribute = attribute.ok_or("an entry needs a key")?;
    Ok(attribute.unescape_value().map_err(|error| error.to_string())?.into_owned())
}

fn put(
    budget: &mut Budget<'_>,
    properties: &mut Properties,
    key: String,
    value: String,
) -> Result<(), String> {
    budget.take(key.len())?;
    properties.insert(key, Entry { value: Value::Text(value), origin: None });
    Ok(())
}
