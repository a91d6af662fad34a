//! What requests say, decoded into the types of handlers, with refusals that describe the request: which member, and what
//! belongs there. They never repeat a value, which may be a secret that was put into the wrong place.
//!
//! A body or a query is parsed into a small tree first, and types are read from that: so an object is an object (and not
//! a list of its members in order), a name that is given twice is noticed at any depth, and every refusal has its place.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, Expected, MapAccess, SeqAccess, Unexpected, Visitor},
    forward_to_deserialize_any,
};

/// Why a request cannot be understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The way to the member, the innermost part first.
    path: Vec<Part>,
    message: Message,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Member(String),
    Item(usize),
}

#[derive(Debug, PartialEq, Eq)]
enum Message {
    /// A sentence that stands by itself.
    Whole(String),
    /// What has to be there, and what is.
    Wants {
        what: String,
        is: &'static str,
    },
    Missing,
    Twice,
    Unknown(&'static [&'static str]),
}

impl Default for Message {
    fn default() -> Self {
        Self::Whole(String::new())
    }
}

/// Which part of a request something is read from, for refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Body,
    /// One of the readings of a body.
    Reading,
    Query,
}

impl Source {
    const fn noun(self) -> &'static str {
        match self {
            Self::Body => "the body",
            Self::Reading => "the reading",
            Self::Query => "the query",
        }
    }

    const fn member(self) -> &'static str {
        match self {
            Self::Body | Self::Reading => "member",
            Self::Query => "parameter",
        }
    }
}

impl Refusal {
    fn of(message: Message) -> Self {
        Self { path: Vec::new(), message }
    }

    fn wants(what: impl Into<String>, node: &Node) -> Self {
        Self::of(Message::Wants { what: what.into(), is: node.is() })
    }

    fn under(mut self, part: Part) -> Self {
        self.path.push(part);
        self
    }

    /// Where in the request it is, as `cadence.hours` or `triggers[0]`; `None` for the whole.
    pub(crate) fn field(&self) -> Option<String> {
        let mut text = String::new();
        for part in self.path.iter().rev() {
            match part {
                Part::Member(name) if text.is_empty() => text += name,
                Part::Member(name) => text = text + "." + name,
                Part::Item(at) => text += &format!("[{at}]"),
            }
        }
        (!text.is_empty()).then_some(text)
    }

    /// What is wrong, as a sentence.
    pub(crate) fn sentence(&self, source: Source) -> String {
        let field = self.field();
        let place = field.as_deref().unwrap_or(source.noun());
        match &self.message {
            Message::Whole(text) => text.clone(),
            Message::Wants { what, is: "a number" } if what.contains("number") => {
                format!("{place} is {what}, and this is another number")
            }
            Message::Wants { what, is } => format!("{place} is {what}, and this is {is}"),
            Message::Missing => format!("{place} is missing"),
            Message::Twice => format!("{place} is given twice"),
            Message::Unknown([]) => {
                format!("nobody knows the {} {place} here; leave it out", source.member())
            }
            Message::Unknown(known) => {
                format!("nobody knows the {} {place}; there are {}", source.member(), known.join(", "))
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence(Source::Body))
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of(Message::Whole(message.to_string()))
    }

    fn invalid_type(is: Unexpected<'_>, wants: &dyn Expected) -> Self {
        Self::of(Message::Wants { what: phrase(wants), is: form(is) })
    }

    fn invalid_value(is: Unexpected<'_>, wants: &dyn Expected) -> Self {
        Self::invalid_type(is, wants)
    }

    fn invalid_length(_: usize, wants: &dyn Expected) -> Self {
        Self::of(Message::Wants { what: phrase(wants), is: "a list of another length" })
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Self::of(Message::Wants { what: one_of(known), is: "another word" })
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self::of(Message::Unknown(known)).under(Part::Member(name.to_owned()))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::of(Message::Missing).under(Part::Member(name.to_owned()))
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::of(Message::Twice).under(Part::Member(name.to_owned()))
    }
}

fn one_of(words: &[&str]) -> String {
    match words {
        [word] => (*word).to_owned(),
        words => format!("one of {}", words.join(", ")),
    }
}

/// What a type says that it expects, in the words of requests.
fn phrase(wants: &dyn Expected) -> String {
    let text = wants.to_string();
    let known = match text.as_str() {
        "u8" => WHOLE_U8,
        "u16" => WHOLE_U16,
        "u32" => WHOLE_U32,
        "u64" | "usize" => WHOLE_U64,
        "i8" | "i16" | "i32" | "i64" => WHOLE,
        "f32" | "f64" => NUMBER,
        "a string" | "a borrowed string" | "string or map" => TEXT,
        "a boolean" => FLAG,
        "a sequence" | "an array" => LIST,
        "a map" => OBJECT,
        _ if text.starts_with("struct ") || text.starts_with("tuple struct ") => OBJECT,
        _ if text.starts_with("enum ") || text.starts_with("variant ") => "a word",
        _ => return text,
    };
    known.to_owned()
}

const TEXT: &str = "text";
const FLAG: &str = "true or false";
const LIST: &str = "a list";
const OBJECT: &str = "an object";
const NUMBER: &str = "a number";
const WHOLE: &str = "a whole number";
const WHOLE_U8: &str = "a whole number from 0 to 255";
const WHOLE_U16: &str = "a whole number from 0 to 65535";
const WHOLE_U32: &str = "a whole number from 0 to 4294967295";
const WHOLE_U64: &str = "a whole number from 0 on";

const fn form(is: Unexpected<'_>) -> &'static str {
    match is {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "text",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "an object",
        _ => "something else",
    }
}

/// A parsed body or query.
#[derive(Debug)]
enum Node {
    Null,
    Flag(bool),
    Number(serde_json::Number),
    Text(String),
    /// A text of a query, where numbers and flags are written as text, too.
    Word(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    const fn is(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::Word(_) => "something else",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// The first name that an object has twice, with its way.
    fn twice(&self) -> Result<(), Refusal> {
        match self {
            Self::Object(members) => {
                let mut seen = BTreeSet::new();
                for (name, member) in members {
                    if !seen.insert(name.as_str()) {
                        return Err(Refusal::of(Message::Twice).under(Part::Member(name.clone())));
                    }
                    member.twice().map_err(|refusal| refusal.under(Part::Member(name.clone())))?;
                }
                Ok(())
            }
            Self::List(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| item.twice().map_err(|refusal| refusal.under(Part::Item(at)))),
            _ => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
                Ok(Node::Flag(flag))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
                Ok(Node::Number(number.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
                Ok(Node::Number(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
                Ok(serde_json::Number::from_f64(number).map_or(Node::Null, Node::Number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Node, E> {
                Ok(Node::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Node::Object(members))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// Decodes a JSON body.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    json_of(body, Source::Body)
}

/// Decodes JSON from a part of a request.
pub(crate) fn json_of<T: DeserializeOwned>(body: &[u8], source: Source) -> Result<T, Refusal> {
    let noun = source.noun();
    // Some editors and shells put a byte order mark before everything.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let node: Node = serde_json::from_slice(body).map_err(|error| match body.trim_ascii().is_empty() {
        true => de::Error::custom(format!("{noun} is empty; it must be JSON")),
        false => <Refusal as de::Error>::custom(not_json(noun, &error)),
    })?;
    node.twice()?;
    T::deserialize(Tree(&node))
}

/// Where a text stops being JSON.
fn not_json(noun: &str, error: &serde_json::Error) -> String {
    if error.is_eof() {
        return format!("{noun} is not JSON: it ends in the middle");
    }
    format!("{noun} is not JSON: look at line {}, character {}", error.line(), error.column())
}

/// Decodes a query: parameters that are texts, each given once.
pub(crate) fn query<T: DeserializeOwned>(query: Option<&str>) -> Result<T, Refusal> {
    let node = parameters(query);
    node.twice()?;
    T::deserialize(Tree(&node))
}

/// Decodes a query that may have parameters which nobody knows, however often: only known ones are given once.
pub(crate) fn query_among_others<T: DeserializeOwned>(query: Option<&str>) -> Result<T, Refusal> {
    T::deserialize(Tree(&parameters(query)))
}

fn parameters(query: Option<&str>) -> Node {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    Node::Object(pairs.map(|(name, value)| (name.into(), Node::Word(value.into()))).collect())
}

/// Reads types from a tree.
#[derive(Clone, Copy)]
struct Tree<'de>(&'de Node);

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty, $what:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            match self.whole().and_then(|number| <$type>::try_from(number).ok()) {
                Some(number) => visitor.$visit(number),
                None => Err(Refusal::wants($what, self.0)),
            }
        }
    )*};
}

impl Tree<'_> {
    /// A whole number, however it is written.
    fn whole(self) -> Option<i128> {
        const SAFE: f64 = 9_007_199_254_740_992.0;
        match self.0 {
            Node::Number(number) => {
                let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
                let float = || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= SAFE);
                whole.or_else(|| float().map(|float| float as i128))
            }
            Node::Word(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn number(self) -> Option<f64> {
        match self.0 {
            Node::Number(number) => number.as_f64(),
            Node::Word(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }
}

impl<'de> Deserializer<'de> for Tree<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Node::Null => visitor.visit_unit(),
            Node::Flag(flag) => visitor.visit_bool(*flag),
            Node::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
            Node::Text(text) | Node::Word(text) => visitor.visit_borrowed_str(text),
            Node::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Node::Object(members) => visitor.visit_map(Members { rest: members.iter(), value: None }),
        }
    }

    whole_numbers! {
        deserialize_u8 visit_u8 u8, WHOLE_U8;
        deserialize_u16 visit_u16 u16, WHOLE_U16;
        deserialize_u32 visit_u32 u32, WHOLE_U32;
        deserialize_u64 visit_u64 u64, WHOLE_U64;
        deserialize_i8 visit_i8 i8, WHOLE;
        deserialize_i16 visit_i16 i16, WHOLE;
        deserialize_i32 visit_i32 i32, WHOLE;
        deserialize_i64 visit_i64 i64, WHOLE;
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_f64(self.number().ok_or_else(|| Refusal::wants(NUMBER, self.0))?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Node::Flag(flag) => visitor.visit_bool(*flag),
            Node::Word(text) if text == "true" => visitor.visit_bool(true),
            Node::Word(text) if text == "false" => visitor.visit_bool(false),
            other => Err(Refusal::wants(FLAG, other)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Node::Text(text) | Node::Word(text) => visitor.visit_borrowed_str(text),
            other => Err(Refusal::wants(TEXT, other)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Node::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            other => Err(Refusal::wants(LIST, other)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Node::Object(members) => visitor.visit_map(Members { rest: members.iter(), value: None }),
            other => Err(Refusal::wants(OBJECT, other)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_map(visitor)
    }

    /// Words only: no request has a choice with more in it.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.0 {
            Node::Text(text) | Node::Word(text) => {
                visitor.visit_enum(de::value::StrDeserializer::<Refusal>::new(text))
            }
            other => Err(Refusal::wants(one_of(words), other)),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Items<'de>(std::iter::Enumerate<std::slice::Iter<'de, Node>>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let Some((at, item)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Tree(item)).map(Some).map_err(|refusal| refusal.under(Part::Item(at)))
    }
}

struct Members<'de> {
    rest: std::slice::Iter<'de, (String, Node)>,
    value: Option<&'de (String, Node)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        self.value = self.rest.next();
        let Some((name, _)) = self.value else { return Ok(None) };
        seed.deserialize(de::value::BorrowedStrDeserializer::<Refusal>::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let (name, node) = self.value.take().expect("a value follows its name");
        seed.deserialize(Tree(node)).map_err(|refusal| refusal.under(Part::Member(name.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by its derive")]
    struct Sample {
        name: String,
        inner: Option<Inner>,
        kind: Option<Kind>,
        #[serde(default)]
        many: Vec<Inner>,
        on: Option<bool>,
        share: Option<f64>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        hours: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        Scheduled,
        EventBased,
    }

    fn check(body: &str, expected: Expect) {
        let refusal = json::<Sample>(body.as_bytes()).unwrap_err();
        expected.assert_eq(&format!("{:?}: {refusal}", refusal.field().unwrap_or_default()));
    }

    #[test]
    fn a_refusal_names_the_member_and_what_belongs_there() {
        check("{}", expect![[r#""name": name is missing"#]]);
        check(r#"{"name":1}"#, expect![[r#""name": name is text, and this is a number"#]]);
        check(
            r#"{"name":"a","nmae":"b"}"#,
            expect![[
                r#""nmae": nobody knows the member nmae; there are name, inner, kind, many, on, share"#
            ]],
        );
        check(
            r#"{"name":"a","inner":{"hours":300}}"#,
            expect![[
                r#""inner.hours": inner.hours is a whole number from 0 to 255, and this is another number"#
            ]],
        );
        check(
            r#"{"name":"a","many":[{"hours":1},{"hours":"1"}]}"#,
            expect![[r#""many[1].hours": many[1].hours is a whole number from 0 to 255, and this is text"#]],
        );
        check(
            r#"{"name":"a","kind":"hourly"}"#,
            expect![[r#""kind": kind is one of scheduled, eventBased, and this is another word"#]],
        );
        check(
            r#"{"name":"a","kind":{"scheduled":null}}"#,
            expect![[r#""kind": kind is one of scheduled, eventBased, and this is an object"#]],
        );
        check(r#"{"name":"a","on":"yes"}"#, expect![[r#""on": on is true or false, and this is text"#]]);
        check(r#"{"name":"a","share":[]}"#, expect![[r#""share": share is a number, and this is a list"#]]);
        check(r#"{"name":"a","many":7}"#, expect![[r#""many": many is a list, and this is a number"#]]);
    }

    #[test]
    fn a_list_is_not_an_object_at_any_depth() {
        check(
            r#"["a",null,null,[],null,null]"#,
            expect![[r#""": the body is an object, and this is a list"#]],
        );
        check(r#"{"name":"a","inner":[3]}"#, expect![[r#""inner": inner is an object, and this is a list"#]]);
        check(
            r#"{"name":"a","many":[[3]]}"#,
            expect![[r#""many[0]": many[0] is an object, and this is a list"#]],
        );
        check("null", expect![[r#""": the body is an object, and this is null"#]]);
        check(r#""a""#, expect![[r#""": the body is an object, and this is text"#]]);
    }

    #[test]
    fn what_is_given_twice_is_refused_at_any_depth() {
        check(r#"{"name":"a","name":"b"}"#, expect![[r#""name": name is given twice"#]]);
        check(
            r#"{"name":"a","many":[{"hours":1,"hours":2}]}"#,
            expect![[r#""many[0].hours": many[0].hours is given twice"#]],
        );
    }

    #[test]
    fn what_is_no_json_is_called_so() {
        check("", expect![[r#""": the body is empty; it must be JSON"#]]);
        check(
            r#"{"name":"a"} {"name":"b"}"#,
            expect![[r#""": the body is not JSON: look at line 1, character 14"#]],
        );
        check("{name:1}", expect![[r#""": the body is not JSON: look at line 1, character 2"#]]);
    }

    #[test]
    fn a_refusal_never_repeats_a_value() {
        let secret = "hunter2-hunter2";
        for body in [
            format!(r#"{{"name":"a","on":"{secret}"}}"#),
            format!(r#"{{"name":"a","kind":"{secret}"}}"#),
            format!(r#"{{"name":"a","inner":"{secret}"}}"#),
            format!(r#"{{"name":"a","inner":{{"hours":"{secret}"}}}}"#),
            format!(r#"{{"name":["{secret}"]}}"#),
            format!(r#""{secret}""#),
            format!(r#"{{"name":"{secret}"#),
        ] {
            let refusal = json::<Sample>(body.as_bytes()).unwrap_err();
            assert!(!refusal.to_string().contains(secret), "{refusal}");
        }
    }

    #[test]
    fn refusals_speak_of_requests_and_not_of_types() {
        let bodies =
            ["{}", "[]", "7", "{\"name\":{}}", "{\"name\":\"a\",\"inner\":{\"hours\":-1}}", "{\"x\":1}"];
        for body in bodies {
            let text = json::<Sample>(body.as_bytes()).unwrap_err().to_string();
            for word in ["struct", "u8", "enum", "deserialize", "sequence", "`", "Sample"] {
                assert!(!text.contains(word), "{text}");
            }
        }
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let sample: Sample = json(br#"{"name":"a","inner":{"hours":3.0}}"#).unwrap();
        assert_eq!(sample.inner.unwrap().hours, 3);
        assert!(json::<Sample>(br#"{"name":"a","inner":{"hours":3.5}}"#).is_err());
    }

    #[test]
    fn a_query_is_decoded_like_a_body_of_texts() {
        let sample: Sample = query(Some("name=a+b&on=true&share=0.5&kind=eventBased")).unwrap();
        assert_eq!((sample.name.as_str(), sample.on, sample.share), ("a b", Some(true), Some(0.5)));
        let told = |text| query::<Sample>(Some(text)).unwrap_err().sentence(Source::Query);
        assert_eq!(told("name=a&name=b"), "name is given twice");
        assert_eq!(
            told("nmae=a"),
            "nobody knows the parameter nmae; there are name, inner, kind, many, on, share"
        );
        assert_eq!(told("name=a&on=1"), "on is true or false, and this is something else");
        assert_eq!(told(""), "name is missing");
    }

    #[test]
    fn a_deep_body_is_refused() {
        let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
        assert!(json::<Sample>(deep.as_bytes()).is_err());
    }
}
