//! The JSON schema of an answer, around the schema of a harness's own edits.

use harness_core::{Harness, WeaknessId};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

/// The schema of `H`'s edits, in the dialect that constrained decoders take: objects closed, every property required
/// (one that was optional may be null), alternatives as `anyOf`, no formats.
///
/// A property that may hold anything stays open: a decoder that wants closed types everywhere refuses such a schema,
/// and the backend then asks without it. The answer is validated in any case.
pub(crate) fn of_edits<H: Harness>() -> Value {
    let schema = SchemaGenerator::default().into_root_schema_for::<H::Edit>();
    let mut schema = schema.to_value();
    tighten(&mut schema);
    schema
}

/// The schema of a whole answer.
pub(crate) fn of_answers(edit: &Value, weaknesses: &[&WeaknessId]) -> Value {
    let mut edit = edit.clone();
    let definitions = edit.as_object_mut().and_then(|root| {
        root.remove("$schema");
        root.remove("$defs")
    });
    let text = json!({ "type": "string" });
    let text_or_null = json!({ "type": ["string", "null"] });
    let properties = json!({
        "decision": { "type": "string", "enum": ["propose", "decline"] },
        "decline_reason": text_or_null,
        "weakness": { "type": "string", "enum": weaknesses },
        "surface": text_or_null,
        "mechanism": text,
        "edit": { "anyOf": [edit, { "type": "null" }] },
        "rationale": text,
        "expected_to_mend": { "type": "array", "items": text },
        "risks": text,
    });
    let required: Vec<String> =
        properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let mut schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    });
    if let Some(definitions) = definitions {
        // References inside the edit's schema start at the root, so its definitions move there.
        schema["$defs"] = definitions;
    }
    schema
}

/// Makes a schema strict, all the way down.
fn tighten(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tighten),
        Value::Object(keywords) => {
            keywords.remove("format");
            keywords.remove("default");
            if let Some(alternatives) = keywords.remove("oneOf") {
                keywords.insert("anyOf".to_owned(), alternatives);
            }
            require_all(keywords);
            for (keyword, inner) in keywords.iter_mut() {
                match keyword.as_str() {
                    // Values of these are names, not keywords.
                    "properties" | "$defs" => {
                        inner
                            .as_object_mut()
                            .into_iter()
                            .flat_map(Map::values_mut)
                            .for_each(tighten);
                    }
                    "const" | "enum" | "required" => {}
                    _ => tighten(inner),
                }
            }
        }
        _ => {}
    }
}

fn require_all(keywords: &mut Map<String, Value>) {
    let required: Vec<Value> =
        keywords.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(properties) = keywords.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (name, property) in properties.iter_mut() {
        if !required.contains(&Value::from(name.as_str())) {
            *property = nullable(property.take());
        }
    }
    let names: Vec<Value> = properties.keys().map(|name| Value::from(name.as_str())).collect();
    keywords.insert("required".to_owned(), Value::Array(names));
    keywords.insert("additionalProperties".to_owned(), Value::Bool(false));
}

fn nullable(schema: Value) -> Value {
    match &schema["type"] {
        Value::Array(types) if types.contains(&Value::from("null")) => schema,
        _ => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

#[cfg(test)]
mod tests {
    use harness_core::MinimalHarness;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;

    fn assert_strict(schema: &Value, at: &str) {
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], Value::Bool(false), "{at}");
            let required = schema["required"].as_array().unwrap();
            assert!(
                properties.keys().all(|name| required.contains(&Value::from(name.as_str()))),
                "{at}"
            );
        }
        let keywords = schema.as_object().into_iter().flatten();
        for (keyword, inner) in keywords {
            assert!(
                !["oneOf", "format"].contains(&keyword.as_str()) || at.ends_with("properties"),
                "{at}"
            );
            assert_strict(inner, &format!("{at}/{keyword}"));
        }
        schema.as_array().into_iter().flatten().for_each(|inner| assert_strict(inner, at));
    }

    #[test]
    fn the_schema_of_an_answer_is_strict_and_resolves() {
        let schema = of_answers(&of_edits::<MinimalHarness>(), &[&"w-1".into()]);
        assert_strict(&schema, "");
        assert!(schema["$defs"]["Operation"]["anyOf"].is_array());
        assert!(schema["properties"]["edit"]["anyOf"][0].get("$defs").is_none());
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Loose {
        format: Option<String>,
        #[serde(default)]
        count: u32,
        kind: Kind,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    enum Kind {
        Plain,
        Numbered { n: u8 },
    }

    #[test]
    fn optional_properties_become_required_and_nullable() {
        let mut schema = SchemaGenerator::default().into_root_schema_for::<Loose>().to_value();
        tighten(&mut schema);
        assert_strict(&schema, "");
        // A property may be called like a keyword.
        assert!(schema["properties"]["format"].is_object());
        assert_eq!(schema["properties"]["count"]["anyOf"][1], json!({ "type": "null" }));
    }
}
