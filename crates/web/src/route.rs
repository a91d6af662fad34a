//! The table of the admin API's operations, from which both its router and its description are made: what is served is
//! what is described.

use std::sync::Arc;

use app::App;
use axum::{
    Router,
    handler::Handler,
    http::{Method, StatusCode},
    routing::{MethodFilter, MethodRouter, on},
};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        Components, Content, HttpMethod, Info, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required,
        Response, Schema, Server,
        path::{Operation as Described, Parameter, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{AllOfBuilder, ArrayBuilder, ObjectBuilder, SchemaType, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{problem::Problem, warnings::Warning};

const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";
const SECURITY: &str = "adminToken";

/// What handlers get at.
pub(crate) type AppState = Arc<App>;

type NamedSchema = (String, RefOr<Schema>);

/// One operation: how it is served and how it is described.
pub(crate) struct Operation {
    method: Method,
    path: String,
    summary: &'static str,
    query: Vec<Parameter>,
    body: Option<(Ref, Required)>,
    status: StatusCode,
    answer: Option<RefOr<Schema>>,
    schemas: Vec<NamedSchema>,
    handler: MethodRouter<AppState>,
}

/// An operation of the table, answered with 200 unless it says otherwise.
pub(crate) fn operation<H, T>(method: Method, path: &str, handler: H, summary: &'static str) -> Operation
where
    H: Handler<T, AppState>,
    T: 'static,
{
    let filter = MethodFilter::try_from(method.clone()).expect("the table names only common methods");
    Operation {
        method,
        path: path.to_owned(),
        summary,
        query: vec![],
        body: None,
        status: StatusCode::OK,
        answer: None,
        schemas: vec![],
        handler: on(filter, handler),
    }
}

impl Operation {
    /// Takes these parameters in its query.
    pub(crate) fn query<Q: IntoParams>(mut self) -> Self {
        self.query = Q::into_params(|| Some(ParameterIn::Query));
        self
    }

    /// Takes a body.
    pub(crate) fn takes<B: ToSchema>(mut self) -> Self {
        self.body = Some((self.refer::<B>(), Required::True));
        self
    }

    /// Takes a body that may be left out.
    pub(crate) fn may_take<B: ToSchema>(mut self) -> Self {
        self.body = Some((self.refer::<B>(), Required::False));
        self
    }

    /// Answers with a body.
    pub(crate) fn answers<A: ToSchema>(mut self, status: StatusCode) -> Self {
        self.answer = Some(self.refer::<A>().into());
        self.status = status;
        self
    }

    /// Answers with a page of a list.
    pub(crate) fn page_of<A: ToSchema>(mut self) -> Self {
        let next = SchemaType::Array(vec![Type::String, Type::Null]);
        let page = ObjectBuilder::new()
            .property("items", ArrayBuilder::new().items(RefOr::Ref(self.refer::<A>())))
            .required("items")
            .property("nextCursor", ObjectBuilder::new().schema_type(next))
            .required("nextCursor");
        self.answer = Some(Schema::from(page.build()).into());
        self
    }

    /// Answers with nothing but its status.
    pub(crate) fn answers_nothing(mut self) -> Self {
        self.status = StatusCode::NO_CONTENT;
        self
    }

    fn refer<T: ToSchema>(&mut self) -> Ref {
        self.schemas.push((T::name().into(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name())
    }

    fn parameters(&self) -> impl Iterator<Item = Parameter> {
        let segments = self.path.split('/');
        let names = segments.filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let in_path = names.map(|name| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(String::schema()))
                .build()
        });
        in_path.chain(self.query.iter().cloned())
    }

    /// Its schemas by name.
    #[cfg(test)]
    pub(crate) fn schemas(&self) -> &[NamedSchema] {
        &self.schemas
    }

    pub(crate) fn id(&self) -> String {
        let words = self.path.split('/').map(|segment| segment.trim_matches(['{', '}']).replace('-', "_"));
        std::iter::once(self.method.as_str().to_ascii_lowercase())
            .chain(words.filter(|word| !word.is_empty()))
            .collect::<Vec<_>>()
            .join("_")
    }

    /// What it answers with: after a change, there are warnings beside the members of the object.
    fn answer(&self) -> Option<RefOr<Schema>> {
        let object = self.answer.clone()?;
        if self.method == Method::GET {
            return Some(object);
        }
        let warnings = ArrayBuilder::new().items(Ref::from_schema_name(Warning::name()));
        let beside = ObjectBuilder::new().property("warnings", warnings).required("warnings");
        Some(Schema::from(AllOfBuilder::new().item(object).item(beside).build()).into())
    }

    fn described(&self) -> Described {
        let mut answer = Response::new(self.status.canonical_reason().unwrap_or_default());
        if let Some(schema) = self.answer() {
            answer.content.insert(JSON.into(), Content::new(Some(schema)).into());
        }
        let mut problem = Response::new("A problem (RFC 9457)");
        let schema = Ref::from_schema_name(Problem::name());
        problem.content.insert(PROBLEM_JSON.into(), Content::new(Some(schema)).into());
        let body = self.body.clone().map(|(schema, required)| {
            let content = Content::new(Some(schema));
            RequestBodyBuilder::new().content(JSON, content).required(Some(required)).build()
        });
        let tag = self.path.split('/').find(|segment| !segment.is_empty()).unwrap_or_default();
        Described::builder()
            .operation_id(Some(self.id()))
            .tag(tag)
            .summary(Some(self.summary))
            .parameters(Some(self.parameters()))
            .request_body(body)
            .response(self.status.as_str(), answer)
            .response("default", problem)
            .security(SecurityRequirement::new(SECURITY, Vec::<String>::new()))
            .build()
    }
}

/// The router of the operations.
pub(crate) fn router(operations: Vec<Operation>, prefix: &str) -> Router<AppState> {
    operations.into_iter().fold(Router::new(), |router, operation| {
        router.route(&format!("{prefix}{}", operation.path), operation.handler)
    })
}

/// The description of the operations.
pub(crate) fn describe(operations: &[Operation], prefix: &str, version: &str, origin: &str) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = Components::new();
    components.schemas.insert(Problem::name().into(), Problem::schema());
    components.schemas.insert(Warning::name().into(), Warning::schema());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(SECURITY, SecurityScheme::Http(bearer));
    for operation in operations {
        let path = format!("{prefix}{}", operation.path);
        paths.add_path_operation(path, vec![method(&operation.method)], operation.described());
        components.schemas.extend(operation.schemas.iter().cloned());
    }
    let mut info = Info::new("Milepost admin API", version);
    info.description = Some(
        "Everything that an operator can do. Lists are paged by `cursor` and `limit`. A POST with the header \
         `Idempotency-Key` is done once: sent again, it gets the first answer."
            .into(),
    );
    let servers = Some(vec![Server::new(origin)]);
    OpenApiBuilder::new().info(info).servers(servers).paths(paths).components(Some(components)).build()
}

fn method(method: &Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}
