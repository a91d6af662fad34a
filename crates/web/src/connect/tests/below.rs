//! A server that is reached below a path: every page, redirect and link leads there.

use super::*;

const BELOW: &str = "/milepost";

async fn server() -> Server {
    Server::at("https://example.com/milepost").await
}

/// The addresses that a page links, posts to or loads.
fn links(page: &str) -> Vec<&str> {
    let starts = ["href=\"", "action=\"", "src=\""].into_iter().flat_map(|start| {
        page.match_indices(start).map(move |(at, start)| page[at + start.len()..].split('"').next().unwrap())
    });
    starts.filter(|link| !link.starts_with('#')).collect()
}

#[track_caller]
fn check(page: &Answered) {
    let links = links(&page.body);
    assert!(!links.is_empty(), "{}", page.body);
    for link in links {
        assert!(link.starts_with("/milepost/") || link.starts_with("https://"), "{link} in {}", page.body);
    }
}

async fn get(server: &Server, path: &str) -> Answered {
    server.send(Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn every_page_below_a_path_links_to_it_whether_or_not_a_proxy_takes_it_off() {
    let server = server().await;
    for path in crate::pages::paths() {
        for path in [format!("{BELOW}{path}"), path] {
            check(&get(&server, &path).await.expect(200));
        }
    }
    check(&get(&server, "/milepost/oauth/authorize").await.expect(400));
}

#[tokio::test]
async fn connect_below_a_path_leads_from_its_first_page_to_the_application() {
    let server = server().await;
    let mut visitor = Visitor::new(&server).await;
    let ask = format!("{BELOW}/oauth/authorize?client_id={}&response_type=code&mode=test", visitor.client);
    visitor.send_to(&ask).await;
    let mut screens = Vec::new();
    for (screen, fields) in [
        ("start", &[("country", "US"), ("language", "en")][..]),
        ("brands", &[("make", "TESLA")]),
        ("sign-in", &[("username", "somebody"), ("password", "secret")]),
        ("permissions", &[("action", "approve"), ("vehicle", "0"), ("permission", "read_odometer")]),
    ] {
        check(&visitor.shown);
        screens.push(screen);
        let visit = visitor.visit();
        let body = form::write(std::iter::once(("visit", visit.as_str())).chain(fields.iter().copied()));
        let path = format!("{BELOW}/connect/{screen}");
        let request = Request::post(&path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ORIGIN, "https://example.com");
        visitor.go(request.body(Body::from(body)).unwrap(), &path).await;
        assert_eq!(visitor.shown.status, 303, "{}", visitor.shown.body);
        let to = visitor.shown.headers[header::LOCATION].to_str().unwrap().to_owned();
        if to.starts_with(REDIRECT) {
            assert_eq!(value(&told(&to), "iss"), "https://example.com/milepost");
            return;
        }
        assert!(to.starts_with("/milepost/connect/"), "{to}");
        visitor.send_to(&to).await;
    }
    panic!("the visit went through {screens:?} and did not end");
}

#[tokio::test]
async fn apis_below_a_path_are_found_and_name_it_in_what_they_say() {
    let server = server().await;
    let metadata = "/.well-known/oauth-authorization-server";
    for path in [metadata.to_owned(), format!("{BELOW}{metadata}"), format!("{metadata}{BELOW}")] {
        let metadata = get(&server, &path).await.expect(200).json();
        assert_eq!(metadata["issuer"], "https://example.com/milepost", "{path}");
        assert_eq!(metadata["token_endpoint"], "https://example.com/milepost/oauth/token");
    }
    let token = Request::post("/milepost/oauth/token").body(Body::empty()).unwrap();
    assert_eq!(server.send(token).await.expect(400).json()["error"], "invalid_request");
    let v2 = get(&server, "/milepost/v2.0/vehicles").await.expect(401).json();
    assert_eq!(v2["docURL"], "https://example.com/milepost/docs/errors/authentication-errors#null");
    let problem = get(&server, "/milepost/api/v1/applications").await.expect(401).json();
    assert_eq!(problem["type"], "/milepost/docs/problems#unauthorized");
    let described = get(&server, "/milepost/api/openapi.json").await.expect(200).json();
    assert_eq!(described["servers"], json!([{"url": "https://example.com/milepost"}]));
    get(&server, "/milepost/healthz").await.expect(200);
    get(&server, "/mileposts/healthz").await.expect(404);
}
