//! `/openapi.json`: the OpenAPI 3.1 document, made from the table of routes and the types of `wire`.
//!
//! Nothing is written twice, so the document cannot describe a route that does not exist or miss one that does.

use std::sync::LazyLock;

use axum::http::{Method, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Required, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use wire::manifest::Manifest;
use wire::problem::{MEDIA_TYPE, Problem};

use super::failure::{Answer, Failure};
use super::route::{BodySchema, Place, Route};
use super::table::table;
use crate::access::Need;

/// The name of the one security scheme.
const TOKEN: &str = "token";

/// A page of objects.
#[derive(Debug, Serialize, ToSchema)]
pub struct ManifestPage {
    /// Objects of one kind, by id.
    pub items: Vec<Manifest>,
    /// The cursor of the next page; null on the last.
    pub next: Option<String>,
}

/// The process answers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Live {
    pub live: bool,
}

/// The view is loaded.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    pub ready: bool,
    /// The revision that the view has reached.
    pub revision: u64,
    /// Whether this process allocates.
    pub leading: bool,
}

/// The document as it is sent, made once.
static DOCUMENT: LazyLock<Result<String, serde_json::Error>> = LazyLock::new(|| document().to_json());

/// `GET /openapi.json`
pub async fn show() -> Answer {
    match &*DOCUMENT {
        Ok(text) => Ok(([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()),
        Err(error) => Err(Failure::internal(std::io::Error::other(error.to_string()))),
    }
}

/// The document.
pub fn document() -> OpenApi {
    let routes = table();
    let mut components = ComponentsBuilder::new();
    let mut paths = PathsBuilder::new();
    components = with_schemas(components, BodySchema::of::<Problem>());
    for route in routes {
        let (path, method) = (route.path.clone(), http_method(&route.method));
        let (operation, bodies) = operation(route);
        paths = paths.path(path, PathItem::new(method, operation));
        components = bodies.into_iter().fold(components, with_schemas);
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = components.security_scheme(TOKEN, SecurityScheme::Http(bearer)).build();
    let info = InfoBuilder::new()
        .title("Tenure")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Decides once where each service instance belongs, remembers it, and can say why"))
        .build();
    OpenApiBuilder::new().info(info).paths(paths.build()).components(Some(components)).build()
}

fn with_schemas(components: ComponentsBuilder, body: BodySchema) -> ComponentsBuilder {
    body.named.into_iter().fold(components, |components, (name, schema)| components.schema(name, schema))
}

fn http_method(method: &Method) -> HttpMethod {
    match method.as_str() {
        "PUT" => HttpMethod::Put,
        "POST" => HttpMethod::Post,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(route: Route) -> (OperationBuilder, Vec<BodySchema>) {
    let id = operation_id(&route);
    let mut operation = OperationBuilder::new().operation_id(Some(id)).summary(Some(route.says.clone()));
    operation = operation.tag(tag(&route.path)).description(Some(needs(route.need)));
    for name in path_parameters(&route.path) {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        operation = operation.parameter(parameter.schema(Some(String::schema())));
    }
    for parameter in &route.parameters {
        let (place, schema) = match parameter.place {
            Place::Query => (ParameterIn::Query, String::schema()),
            Place::Flag => (ParameterIn::Query, bool::schema()),
            Place::Header => (ParameterIn::Header, String::schema()),
        };
        let built = ParameterBuilder::new().name(parameter.name).parameter_in(place).required(Required::False);
        operation = operation.parameter(built.description(Some(parameter.says)).schema(Some(schema)));
    }
    if !route.takes.is_empty() {
        let body = route.takes.iter().fold(RequestBodyBuilder::new(), |body, takes| {
            body.content(takes.media, ContentBuilder::new().schema(Some(takes.schema.clone())).build())
        });
        operation = operation.request_body(Some(body.build()));
    }
    for status in &route.statuses {
        let mut done = ResponseBuilder::new().description(meaning(*status));
        if let Some(gives) = route.gives.as_ref().filter(|_| *status != 304) {
            done = done.content(gives.media, ContentBuilder::new().schema(Some(gives.schema.clone())).build());
        }
        operation = operation.response(status.to_string(), done.build());
    }
    let problem = BodySchema::media::<Problem>(MEDIA_TYPE);
    let refused = ContentBuilder::new().schema(Some(problem.schema)).build();
    let refused = ResponseBuilder::new().description("refused or failed").content(problem.media, refused);
    operation = operation.response("default", refused.build());
    if route.need != Need::Nothing {
        operation = operation.security(SecurityRequirement::new(TOKEN, Vec::<String>::new()));
    }
    (operation, route.takes.into_iter().chain(route.gives).collect())
}

fn meaning(status: u16) -> &'static str {
    match status {
        201 => "created",
        202 => "kept, but not everything has its owner yet",
        204 => "done, and there is nothing to say",
        304 => "as the client knows it",
        _ => "done",
    }
}

fn needs(need: Need) -> String {
    match need.scope() {
        None => "Needs no token.".to_owned(),
        Some(scope) if need == Need::ReadUnlessLoopback => {
            format!("Needs the scope {}, from this machine no token.", scope.code())
        }
        Some(scope) => format!("Needs the scope {}.", scope.code()),
    }
}

/// `GET /v1/plans/{id}/moves` becomes `get_v1_plans_id_moves`: stable, and told by the route alone.
fn operation_id(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let method = route.method.as_str().to_ascii_lowercase();
    std::iter::once(method.as_str()).chain(words).collect::<Vec<_>>().join("_")
}

/// The word that a path is about: `plans` in `/v1/plans/{id}`.
fn tag(path: &str) -> &str {
    let words = path.split('/').filter(|word| !word.is_empty() && *word != "v1");
    words.map(|word| word.trim_end_matches(".json")).next().unwrap_or("machine")
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}
