//! Field sections (RFC 9204), without a dynamic table: none is announced, so no peer may refer to one. A section
//! then stands for itself, and no stream waits for another.

use super::huffman;
use super::table::STATIC;

/// What each field costs beside its bytes, as peers count too (RFC 9114 §4.2.2).
const FIELD_OVERHEAD: usize = 32;

/// Why a section can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadSection {
    /// It is no QPACK, or refers to a table that there is not.
    Compression,
    /// It is larger than allowed.
    TooLarge,
}

/// Gives each field of a section to `each`, name and value, until one is refused.
pub(super) fn decode<E: From<BadSection>>(
    section: &[u8],
    most: usize,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut input = Input { rest: section, left: most };
    // Required Insert Count, then the sign and Delta Base: all are nothing without a dynamic table.
    let (count, _) = input.integer(8)?;
    let (_, sign) = input.integer(7)?;
    if count != 0 || sign & 0x80 != 0 {
        return Err(BadSection::Compression.into());
    }
    let (mut name, mut value) = (Vec::new(), Vec::new());
    while let Some(first) = input.rest.first().copied() {
        input.spend(FIELD_OVERHEAD)?;
        match first {
            // Indexed, in the static table.
            0xc0.. => {
                let (name, value) = field(input.integer(6)?.0)?;
                input.spend(name.len() + value.len())?;
                each(name.as_bytes(), value.as_bytes())?;
            }
            // A literal with a name of the static table.
            0x50..0x60 | 0x70..0x80 => {
                let (name, _) = field(input.integer(4)?.0)?;
                input.spend(name.len())?;
                input.string(7, &mut value)?;
                each(name.as_bytes(), &value)?;
            }
            // A literal with a name of its own.
            0x20..0x40 => {
                input.string(3, &mut name)?;
                input.string(7, &mut value)?;
                each(&name, &value)?;
            }
            // Of the dynamic table.
            _ => return Err(BadSection::Compression.into()),
        }
    }
    Ok(())
}

fn field(index: u64) -> Result<(&'static str, &'static str), BadSection> {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    STATIC.get(index).copied().ok_or(BadSection::Compression)
}

struct Input<'a> {
    rest: &'a [u8],
    /// Bytes that the fields may still come to.
    left: usize,
}

impl Input<'_> {
    fn spend(&mut self, bytes: usize) -> Result<(), BadSection> {
        self.left = self.left.checked_sub(bytes).ok_or(BadSection::TooLarge)?;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, BadSection> {
        let (first, rest) = self.rest.split_first().ok_or(BadSection::Compression)?;
        self.rest = rest;
        Ok(*first)
    }

    /// A number in the low bits of a byte and, if it doesn't fit, those after it (RFC 7541 §5.1). Also gives that byte.
    fn integer(&mut self, bits: u32) -> Result<(u64, u8), BadSection> {
        let first = self.byte()?;
        let most = (1_u64 << bits) - 1;
        let mut value = u64::from(first) & most;
        if value < most {
            return Ok((value, first));
        }
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            value += u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value, first));
            }
        }
        Err(BadSection::Compression)
    }

    /// A string whose length has so many bits, with the mark of the Huffman code above them.
    fn string(&mut self, bits: u32, out: &mut Vec<u8>) -> Result<(), BadSection> {
        out.clear();
        let (length, first) = self.integer(bits)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let coded = self.rest.get(..length).ok_or(BadSection::Compression)?;
        self.rest = &self.rest[length..];
        if first & 1 << bits == 0 {
            out.extend_from_slice(coded);
        // A code has five bits or more.
        } else if coded.len() > self.left {
            return Err(BadSection::TooLarge);
        } else if !huffman::decode(coded, out, coded.len() * 8 / 5) {
            return Err(BadSection::Compression);
        }
        self.spend(out.len())
    }
}

/// Begins a section.
pub(super) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0]);
}

/// Adds a field to a section. Strings are written as they are: what the Huffman code would save is less than it costs.
pub(super) fn encode(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    let mut named = None;
    for (index, (known, known_value)) in STATIC.iter().enumerate() {
        if *known == name {
            if known_value.as_bytes() == value {
                return integer(out, 0xc0, 6, index);
            }
            named.get_or_insert(index);
        }
    }
    if let Some(index) = named {
        integer(out, 0x50, 4, index);
    } else {
        integer(out, 0x20, 3, name.len());
        out.extend_from_slice(name.as_bytes());
    }
    integer(out, 0, 7, value.len());
    out.extend_from_slice(value);
}

fn integer(out: &mut Vec<u8>, mark: u8, bits: u32, value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        return out.push(mark | value as u8);
    }
    out.push(mark | most as u8);
    let mut rest = value - most;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Fields = Vec<(String, Vec<u8>)>;

    fn read(section: &[u8], most: usize) -> Result<Fields, BadSection> {
        let mut fields = Fields::new();
        decode(section, most, |name, value| {
            fields.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
            Ok::<_, BadSection>(())
        })?;
        Ok(fields)
    }

    #[test]
    fn the_rfcs_section_without_a_dynamic_table() {
        // RFC 9204 §B.1.
        let section = b"\x00\x00\x51\x0b/index.html";
        assert_eq!(read(section, 100).unwrap(), [(":path".to_owned(), b"/index.html".to_vec())]);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let table: &[(&str, &[u8])] = &[
            ("nothing", b""),
            ("half a prefix", b"\x00"),
            ("an insert count", b"\x02\x00\x80"),
            ("a negative base", b"\x00\x80"),
            ("a dynamic index", b"\x00\x00\x80"),
            ("a dynamic name", b"\x00\x00\x40\x00"),
            ("an index behind the base", b"\x00\x00\x10"),
            ("a name behind the base", b"\x00\x00\x00\x00"),
            ("an index beyond the table", b"\x00\x00\xff\x24"),
            ("a number without end", b"\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
            ("a value that is cut", b"\x00\x00\x51\x0b/index"),
            ("a name that is cut", b"\x00\x00\x27\xff\xff\x7fabc"),
            ("bad padding", b"\x00\x00\x51\x81\x00"),
        ];
        for (what, section) in table {
            assert_eq!(read(section, 1000), Err(BadSection::Compression), "{what}");
        }
    }

    #[test]
    fn a_section_is_bounded_by_what_it_stands_for() {
        let bomb = [&[0, 0][..], &[0xc0 | 0x11; 1000]].concat();
        assert_eq!(read(&bomb, 32_000), Err(BadSection::TooLarge));
        assert_eq!(read(&bomb, 1000 * (32 + ":method".len() + "GET".len())).unwrap().len(), 1000);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(fields in proptest::collection::vec(("[a-z:-]{1,200}", proptest::collection::vec(0_u8.., 0..300)), 0..20)) {
            let mut section = Vec::new();
            begin(&mut section);
            for (name, value) in &fields {
                encode(&mut section, name, value);
            }
            prop_assert_eq!(read(&section, 1 << 20).unwrap(), fields);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            let _ = read(&[&[0, 0][..], &bytes].concat(), 500);
        }
    }
}
