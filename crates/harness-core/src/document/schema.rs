//! What a document's schema says of its surfaces.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::edit::invalid;
use crate::error::Result;
use crate::harness::Surface;
use crate::id::SurfaceId;

/// A document type's surfaces and the check of its values.
#[derive(Debug)]
pub(super) struct Shape {
    surfaces: Vec<Declared>,
    /// Objects of which every property is a surface.
    groups: Vec<String>,
    validator: std::result::Result<Validator, String>,
}

#[derive(Debug)]
struct Declared {
    at: String,
    description: String,
    schema: Value,
}

/// The surfaces of `document`: every property that its schema does not mark `readOnly`, down to the first that is not a
/// plain object. A list, an optional or a tagged value is one surface; edits may reach below it. An object of numbers and
/// switches alone is none, but may be replaced as a whole: its bounds are those of its properties.
pub fn surfaces<T: Serialize + JsonSchema + 'static>(document: &T) -> Vec<Surface> {
    let value = serde_json::to_value(document).unwrap_or(Value::Null);
    let surface = |declared: &Declared| Surface {
        id: SurfaceId::new(&declared.at),
        description: declared.description.clone(),
        schema: declared.schema.clone(),
        value: value.pointer(&declared.at).cloned().unwrap_or(Value::Null),
    };
    of::<T>().surfaces.iter().map(surface).collect()
}

/// Whether `place` is `surface` or lies below it.
pub(super) fn is_at_or_below(place: &str, surface: &str) -> bool {
    place.strip_prefix(surface).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The shape of `T`. Built once a type: compiling a schema costs more than applying an edit.
pub(super) fn of<T: JsonSchema + 'static>() -> Arc<Shape> {
    static SHAPES: LazyLock<Mutex<HashMap<TypeId, Arc<Shape>>>> = LazyLock::new(Mutex::default);
    let mut shapes = SHAPES.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(shapes.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(Shape::new::<T>())))
}

impl Shape {
    fn new<T: JsonSchema>() -> Self {
        let schema = schemars::schema_for!(T).to_value();
        let (mut surfaces, mut groups) = (Vec::new(), Vec::new());
        collect(&schema, &schema, "", &mut surfaces, &mut groups);
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string());
        Self { surfaces, groups, validator }
    }

    /// Refuses a place that no declared surface covers, nor a few of them together make up.
    pub(super) fn require_surface(&self, at: &str) -> Result<()> {
        let covered = self.surfaces.iter().any(|declared| is_at_or_below(at, &declared.at));
        if covered || self.groups.iter().any(|group| group == at) {
            return Ok(());
        }
        let known: Vec<&str> = self.surfaces.iter().map(|declared| declared.at.as_str()).collect();
        Err(invalid(at, format!("this is not a surface; there are: {}", known.join(", "))))
    }

    /// Refuses a value that does not satisfy the schema.
    pub(super) fn require_valid(&self, value: &Value) -> Result<()> {
        let validator = self
            .validator
            .as_ref()
            .map_err(|why| invalid("", format!("its schema is broken: {why}")))?;
        match validator.iter_errors(value).next() {
            None => Ok(()),
            Some(error) => Err(invalid(error.instance_path().as_str(), &error)),
        }
    }
}

fn collect(
    root: &Value,
    schema: &Value,
    at: &str,
    found: &mut Vec<Declared>,
    groups: &mut Vec<String>,
) {
    let Some(properties) = resolve(root, schema).get("properties").and_then(Value::as_object)
    else {
        return;
    };
    if !at.is_empty() && is_group(root, properties) {
        groups.push(at.to_owned());
    }
    for (name, property) in properties {
        let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        let target = resolve(root, property);
        if flag(property, "readOnly") || flag(target, "readOnly") {
            continue;
        }
        if is_plain_object(target) {
            collect(root, target, &place, found, groups);
        } else {
            let description = text(property, "description").or_else(|| text(target, "description"));
            let schema = self_contained(root, property);
            found.push(Declared {
                at: place,
                description: description.unwrap_or_default(),
                schema,
            });
        }
    }
}

/// An object with named properties, always present: its properties are surfaces, not the object.
fn is_plain_object(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object")
        && schema.get("properties").is_some()
}

/// Whether nothing but numbers and switches that may be edited is in it, so that to replace it is to set a few settings at once.
fn is_group(root: &Value, properties: &Map<String, Value>) -> bool {
    let is_setting = |property: &Value| {
        let target = resolve(root, property);
        let kind = target.get("type").and_then(Value::as_str);
        matches!(kind, Some("integer" | "number" | "boolean"))
            && !flag(property, "readOnly")
            && !flag(target, "readOnly")
    };
    properties.values().all(is_setting)
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// The schema with every reference replaced by what it points at, so that a model can read it alone. Recursive types
/// stop at the second turn.
fn self_contained(root: &Value, schema: &Value) -> Value {
    inline(root, schema, &mut Vec::new())
}

fn inline(root: &Value, schema: &Value, open: &mut Vec<String>) -> Value {
    match schema {
        Value::Object(map) => {
            let Some(reference) = map.get("$ref").and_then(Value::as_str) else {
                return Value::Object(
                    map.iter()
                        .map(|(key, value)| (key.clone(), inline(root, value, open)))
                        .collect(),
                );
            };
            if open.iter().any(|seen| seen == reference) {
                return Value::Object(Map::new());
            }
            open.push(reference.to_owned());
            let mut inlined = inline(root, resolve(root, schema), open);
            open.pop();
            // What is said beside a reference (a description of this very property) wins.
            if let Value::Object(target) = &mut inlined {
                let beside = map.iter().filter(|(key, _)| *key != "$ref");
                target.extend(beside.map(|(key, value)| (key.clone(), value.clone())));
            }
            inlined
        }
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| inline(root, item, open)).collect())
        }
        other => other.clone(),
    }
}

fn flag(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn text(schema: &Value, key: &str) -> Option<String> {
    schema.get(key).and_then(Value::as_str).map(str::to_owned)
}
