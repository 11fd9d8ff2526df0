//! Single values: variables put in, then type, words, bounds and format.

use haechi_yaml::core_schema::{Core, plain, resolve};
use haechi_yaml::{Node, Style, Value as Yaml};
use serde_json::Value;

use super::describe::{wanted, words};
use super::{Owner, Validator};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::format;
use crate::substitute::{Unresolved, substitute};

impl<'a> Validator<'a> {
    pub(super) fn scalar(&mut self, node: &mut Node, schema: &'a Value, owner: Owner<'_>) -> Option<Value> {
        self.put_variables(node)?;
        let text = node.text()?;
        if let Some(words) = words(schema) {
            return self.word(node, text, &words, owner);
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("boolean") => self.boolean(node, text, owner),
            Some("integer") => self.integer(node, text, schema, owner),
            _ => self.text(node, text, schema, owner),
        }
    }

    /// Replaces `${NAME}` in the node itself, so that lowering sees the same text.
    fn put_variables(&mut self, node: &mut Node) -> Option<()> {
        let span = node.span;
        let Yaml::Scalar(scalar) = &mut node.value else { return None };
        if !scalar.text.contains("${") {
            return Some(());
        }
        let (message, help) = match substitute(&scalar.text, self.variable) {
            Ok(text) => {
                scalar.text = text.into();
                return Some(());
            }
            Err(Unresolved::Unset(name)) => (
                format!("the environment variable {name} isn't set"),
                format!("set it, or give a default: ${{{name}:-default}}"),
            ),
            Err(Unresolved::Unclosed) => {
                ("`${` is never closed".to_owned(), "write ${NAME}; for a literal `${` write $${".to_owned())
            }
            Err(Unresolved::BadName(name)) => (
                format!("{name:?} can't be an environment variable"),
                "write letters, digits and _; for a literal `${` write $${".to_owned(),
            ),
        };
        self.diagnostics.push(Diagnostic::error("variable", span, message).help(help));
        None
    }

    fn word(&mut self, node: &Node, text: &str, words: &[&str], owner: Owner<'_>) -> Option<Value> {
        if words.contains(&text) {
            return Some(Value::from(text));
        }
        let all = format!("write one of {}", words.join(", "));
        let help = match did_you_mean(text, words.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => all,
        };
        let message = format!("{} can't be {text:?}", owner.what);
        self.diagnostics.push(Diagnostic::error("unknown-word", node.span, message).help(help));
        None
    }

    fn boolean(&mut self, node: &Node, text: &str, owner: Owner<'_>) -> Option<Value> {
        if let Some(Core::Bool(value)) = resolve(node) {
            return Some(Value::from(value));
        }
        let message = format!("{} must be true or false, not {text:?}", owner.what);
        let help = match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" | "y" | "1" => "write true, without quotes",
            "no" | "off" | "false" | "n" | "0" => "write false, without quotes",
            _ => "write true or false",
        };
        self.diagnostics.push(Diagnostic::error("wrong-type", node.span, message).help(help));
        None
    }

    fn integer(&mut self, node: &Node, text: &str, schema: &Value, owner: Owner<'_>) -> Option<Value> {
        let Some(Core::Int(value)) = resolve(node) else {
            let message = format!("{} must be {}, not {text:?}", owner.what, wanted(schema, |s| s));
            let mut diagnostic = Diagnostic::error("wrong-type", node.span, message);
            let is_quoted_number =
                node.scalar().is_some_and(|s| s.style != Style::Plain) && matches!(plain(text), Core::Int(_));
            if is_quoted_number {
                diagnostic = diagnostic.help(format!("write {text} without quotes"));
            } else if haechi_core::units::duration(text).is_ok() || haechi_core::units::size(text).is_ok() {
                diagnostic = diagnostic.help("it counts something and takes no unit");
            }
            self.diagnostics.push(diagnostic);
            return None;
        };
        let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        if least.is_some_and(|least| value < least) || most.is_some_and(|most| value > most) {
            let range = match (least, most) {
                (Some(least), Some(most)) => format!("from {least} to {most}"),
                (Some(least), None) => format!("of at least {least}"),
                (None, Some(most)) => format!("of at most {most}"),
                (None, None) => String::new(),
            };
            let message = format!("{} is {value}, which is out of range", owner.what);
            let diagnostic = Diagnostic::error("out-of-range", node.span, message);
            self.diagnostics.push(diagnostic.help(format!("write a number {range}")));
            return None;
        }
        Some(Value::from(value))
    }

    fn text(&mut self, node: &Node, text: &str, schema: &Value, owner: Owner<'_>) -> Option<Value> {
        let checked = match schema.get("format").and_then(Value::as_str) {
            Some(name) => format::check(name, text),
            None => Ok(()),
        };
        if let Err(misfit) = checked {
            let message = format!("{}: {}", owner.what, misfit.message);
            let mut diagnostic = Diagnostic::error("bad-value", node.span, message);
            diagnostic.help = misfit.help;
            self.diagnostics.push(diagnostic);
            return None;
        }
        Some(Value::from(text))
    }
}
