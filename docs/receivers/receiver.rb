# Receives webhooks with WEBrick (gem install webrick).
# MILEPOST_MANAGEMENT_TOKEN=… PORT=9000 ruby receiver.rb
require "json"
require "openssl"
require "set"
require "webrick"

TOKEN = ENV.fetch("MILEPOST_MANAGEMENT_TOKEN").strip
SEEN = Set.new # in production: a table with a unique key, kept for two days
LOCK = Mutex.new

def sign(message) = OpenSSL::HMAC.hexdigest("SHA256", TOKEN, message)

# What a repeated event has in common with its first delivery.
def ids(event)
  payload = event["payload"] || {}
  id = event["eventId"] || payload["eventId"]
  id ? [id] : (payload["vehicles"] || []).map { |vehicle| vehicle["requestId"] }
end

def receive(body, signature)
  # The signature is over the bytes as they came: check it before anything is parsed.
  return [401, { error: "wrong signature" }] unless OpenSSL.secure_compare(sign(body), signature.to_s)

  event = JSON.parse(body)
  name = event["eventType"] || event["eventName"]
  if name.casecmp?("verify")
    return [200, { challenge: sign((event["data"] || event["payload"])["challenge"]) }]
  end

  new = LOCK.synchronize { ids(event).select { |id| SEEN.add?(id) } }
  # Put the event into a queue here, and do the work after the answer.
  puts new.empty? ? "#{name} again" : name
  [200, {}]
end

$stdout.sync = true
server = WEBrick::HTTPServer.new(
  BindAddress: "127.0.0.1", Port: Integer(ENV.fetch("PORT", "9000")),
  Logger: WEBrick::Log.new(File::NULL), AccessLog: []
)
server.mount_proc("/") do |request, response|
  response.status, content = receive(request.body.to_s, request["SC-Signature"])
  response.content_type = "application/json"
  response.body = JSON.generate(content)
end
trap("TERM") { server.shutdown }
puts "listening on http://127.0.0.1:#{server.config[:Port]}"
server.start
