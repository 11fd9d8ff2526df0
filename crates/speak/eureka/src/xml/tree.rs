//! A small tree of a bounded document. No document type, no entities but XML's own five and characters by
//! number.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::DecodeError;
use crate::limits::{self, XML_DEPTH};

#[derive(Debug, Default)]
pub(crate) struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.name == name)
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

fn broken(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::Xml(error.to_string())
}

/// Parses a document of at most `elements` elements.
pub(crate) fn parse(bytes: &[u8], elements: usize) -> Result<Element, DecodeError> {
    let text = std::str::from_utf8(bytes).map_err(broken)?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().enable_all_checks(true);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut seen = 0;
    loop {
        let event = reader.read_event().map_err(broken)?;
        if let Event::Start(_) | Event::Empty(_) = event {
            seen += 1;
            limits::check("the number of XML elements", seen, elements)?;
            limits::check("the nesting of XML elements", open.len() + 1, XML_DEPTH)?;
            if root.is_some() {
                return Err(broken("a second root"));
            }
        }
        match event {
            Event::Start(start) => open.push(element(&start)?),
            Event::Empty(start) => close(&mut open, &mut root, element(&start)?),
            Event::End(_) => {
                if let Some(done) = open.pop() {
                    close(&mut open, &mut root, done);
                }
            }
            Event::Text(text) => append(&mut open, &text.xml_content().map_err(broken)?)?,
            Event::CData(data) => append(&mut open, &data.xml_content().map_err(broken)?)?,
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(broken)? {
                    Some(c) => c,
                    None => predefined(&reference.decode().map_err(broken)?)?,
                };
                append(&mut open, resolved.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(broken("a document type")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof if open.is_empty() => return root.ok_or_else(|| broken("an empty document")),
            Event::Eof => return Err(broken("the document ends too early")),
        }
    }
}

fn predefined(name: &str) -> Result<char, DecodeError> {
    Ok(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return Err(broken("an entity that XML doesn't predefine")),
    })
}

fn element(start: &BytesStart<'_>) -> Result<Element, DecodeError> {
    let name = std::str::from_utf8(start.name().as_ref()).map_err(broken)?.to_owned();
    let attributes = start
        .attributes()
        .map(|attribute| {
            let attribute = attribute.map_err(broken)?;
            let name = std::str::from_utf8(attribute.key.as_ref()).map_err(broken)?.to_owned();
            Ok((name, attribute.unescape_value().map_err(broken)?.into_owned()))
        })
        .collect::<Result<_, DecodeError>>()?;
    Ok(Element { name, attributes, ..Element::default() })
}

fn close(open: &mut [Element], root: &mut Option<Element>, done: Element) {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
}

fn append(open: &mut [Element], text: &str) -> Result<(), DecodeError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(broken("text outside the root")),
    }
    Ok(())
}
