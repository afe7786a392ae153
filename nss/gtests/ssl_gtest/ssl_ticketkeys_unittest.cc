/* SPDX-License-Identifier: MPL-2.0
 *
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this file,
 * You can obtain one at http://mozilla.org/MPL/2.0/.
 *
 * SSL_SetSessionTicketKeys(), as seen in handshakes within one process. Other
 * processes and threads are in ssl_ticketkeys_process_unittest.cc.
 *
 * A name of one letter stands for a key; names and keys follow from it.
 */

#include <functional>
#include <string>
#include <vector>

#include "secerr.h"
#include "ssl.h"
#include "sslerr.h"
#include "sslexp.h"
#include "sslproto.h"

extern "C" {
// This is not something that should make you happy.
#include "libssl_internals.h"
}

#include "gtest_utils.h"
#include "nss_scoped_ptrs.h"
#include "tls_connect.h"
#include "tls_filter.h"

namespace nss_test {

static const PRTime kSecond = PR_USEC_PER_SEC;
static const PRTime kHour = 3600 * kSecond;

static std::vector<uint8_t> KeyName(char letter) {
  return std::vector<uint8_t>(SSL_SESSION_TICKET_KEY_NAME_LEN, letter);
}

static SSLSessionTicketKeyBytes KeyBytes(char letter, PRTime not_before,
                                         PRTime not_after) {
  SSLSessionTicketKeyBytes key;
  memset(key.name, letter, sizeof(key.name));
  memset(key.encKey, letter ^ 0x80, sizeof(key.encKey));
  memset(key.macKey, letter ^ 0xc0, sizeof(key.macKey));
  key.notBefore = not_before;
  key.notAfter = not_after;
  return key;
}

static SECStatus SetKeys(const std::vector<SSLSessionTicketKeyBytes>& keys) {
  return SSL_SetSessionTicketKeyBytes(keys.data(), keys.size());
}

class TlsTicketKeysTest : public TlsConnectGeneric {
 protected:
  typedef std::vector<uint8_t> Bytes;

  void TearDown() override {
    SSL_SetSessionTicketKeys(nullptr, 0);
    TlsConnectGeneric::TearDown();
  }

  bool Tls13() const { return version_ >= SSL_LIBRARY_VERSION_TLS_1_3; }

  // A key that has sealed for an hour, and will for a day.
  SSLSessionTicketKeyBytes Active(char letter) const {
    return KeyBytes(letter, now() - kHour, now() + 24 * kHour);
  }

  // One that follows it.
  SSLSessionTicketKeyBytes Newer(char letter) const {
    return KeyBytes(letter, now() - kSecond, now() + 48 * kHour);
  }

  void Set(const std::vector<SSLSessionTicketKeyBytes>& keys) {
    ASSERT_EQ(SECSuccess, SetKeys(keys));
  }

  // What another host does not have: the session cache, the keys that NSS
  // makes for tickets, and the key that it wraps their secrets with.
  void MoveToAnotherHost() { ClearServerCache(); }

  void ConnectAgain(SessionResumptionMode expected) {
    Reset();
    ConnectWith(expected);
  }

  void ConnectWith(SessionResumptionMode expected) {
    ConfigureSessionCache(RESUME_BOTH, RESUME_TICKET);
    ExpectNext(expected);
    EnsureTlsSetup();
    new_ticket_ = MakeTlsFilter<TlsHandshakeRecorder>(
        server_, kTlsHandshakeNewSessionTicket);
    Connect();
    SendReceive();  // Absorbs the ticket of TLS 1.3.
  }

  // NSS's tests count from their beginning on; here each connection counts.
  void ExpectNext(SessionResumptionMode expected) {
    ClearStats();
    if (session_ids_.size() > 1) {
      session_ids_ = {session_ids_.back()};
    }
    expected_resumptions_ = 0;
    ExpectResumption(expected);
  }

  sslSessionID* ClientSession() {
    return ssl_FindSocket(client_->ssl_fd())->sec.ci.sid;
  }

  Bytes ClientTicket() {
    const SECItem& ticket = ClientSession()->u.ssl3.locked.sessionTicket.ticket;
    return Bytes(ticket.data, ticket.data + ticket.len);
  }

  // From here on the client has this ticket. Its session is what the client's
  // cache has, so that the next connection offers it.
  void SetClientTicket(const Bytes& ticket) {
    SECItem* item = &ClientSession()->u.ssl3.locked.sessionTicket.ticket;
    SECITEM_FreeItem(item, PR_FALSE);
    SECItem from = {siBuffer, const_cast<uint8_t*>(ticket.data()),
                    static_cast<unsigned int>(ticket.size())};
    ASSERT_EQ(SECSuccess, SECITEM_CopyItem(nullptr, item, &from));
  }

  // Before TLS 1.3 tickets are sent in the clear.
  Bytes SentTicket() {
    const DataBuffer& message = new_ticket_->buffer();
    if (message.len() < 6) {
      return Bytes();
    }
    return Bytes(message.data() + 6, message.data() + message.len());
  }

  // NSS's client does not keep a ticket that it gets in an abbreviated
  // handshake of TLS 1.2.
  void KeepSentTicket() {
    if (!Tls13()) {
      ASSERT_FALSE(SentTicket().empty());
      SetClientTicket(SentTicket());
    }
  }

  static Bytes NameOf(const Bytes& ticket) {
    return ticket.size() < SSL_SESSION_TICKET_KEY_NAME_LEN
               ? Bytes()
               : Bytes(ticket.begin(),
                       ticket.begin() + SSL_SESSION_TICKET_KEY_NAME_LEN);
  }

  Bytes ClientTicketName() { return NameOf(ClientTicket()); }

  // The offered ticket was taken, and another sent in its place or not.
  void ExpectNewTicket(bool expected, const Bytes& name = Bytes()) {
    if (Tls13()) {
      EXPECT_EQ(expected, name == ClientTicketName());
    } else {
      EXPECT_EQ(expected ? name : Bytes(), NameOf(SentTicket()));
    }
  }

  std::shared_ptr<TlsHandshakeRecorder> new_ticket_;
};

TEST_P(TlsTicketKeysTest, HostsWithoutSharedKeysDoNotResume) {
  ConnectWith(RESUME_NONE);
  MoveToAnotherHost();
  ConnectAgain(RESUME_NONE);
}

TEST_P(TlsTicketKeysTest, HostsWithSharedKeysResume) {
  Set({Active('a')});
  ConnectWith(RESUME_NONE);
  EXPECT_EQ(KeyName('a'), ClientTicketName());
  MoveToAnotherHost();
  Set({Active('a')});
  ConnectAgain(RESUME_TICKET);
  MoveToAnotherHost();
  ConnectAgain(RESUME_TICKET);
}

TEST_P(TlsTicketKeysTest, HostsThatHaveWrappedSecretsResumeToo) {
  // Both have a wrapping key of their own by then.
  ConnectWith(RESUME_NONE);
  Set({Active('a')});
  ConnectAgain(RESUME_TICKET);
  KeepSentTicket();
  MoveToAnotherHost();
  Set({});
  SSL_ClearSessionCache();
  ConnectAgain(RESUME_NONE);
  Set({Active('a')});
  ConnectAgain(RESUME_TICKET);
  EXPECT_EQ(KeyName('a'), Tls13() ? ClientTicketName() : NameOf(SentTicket()));
}

TEST_P(TlsTicketKeysTest, HandlesAreAsGoodAsBytes) {
  ScopedPK11SlotInfo slot(PK11_GetInternalSlot());
  ScopedPK11SymKey enc(
      PK11_KeyGen(slot.get(), CKM_AES_CBC, nullptr, 32, nullptr));
  ScopedPK11SymKey mac(
      PK11_KeyGen(slot.get(), CKM_SHA256_HMAC, nullptr, 32, nullptr));
  ASSERT_TRUE(enc && mac);
  SSLSessionTicketKey key = {{'h'}, enc.get(), mac.get(), now(), now() + kHour};
  ASSERT_EQ(SECSuccess, SSL_SetSessionTicketKeys(&key, 1));
  // The set has references of its own.
  enc.reset();
  mac.reset();
  ConnectWith(RESUME_NONE);
  EXPECT_EQ('h', ClientTicketName()[0]);
  MoveToAnotherHost();
  ConnectAgain(RESUME_TICKET);
}

TEST_P(TlsTicketKeysTest, AfterARotationOldTicketsResumeAndAreRenewed) {
  Set({Active('a')});
  ConnectWith(RESUME_NONE);
  Set({Newer('b'), Active('a')});
  ConnectAgain(RESUME_TICKET);
  ExpectNewTicket(true, KeyName('b'));
  const SSLNamedGroup group = server_->info().originalKeaGroup;
  EXPECT_NE(ssl_grp_none, group);
  KeepSentTicket();
  Set({Newer('b')});
  MoveToAnotherHost();
  ConnectAgain(RESUME_TICKET);
  EXPECT_EQ(group, server_->info().originalKeaGroup);
}

class TlsTicketKeysPre13Test : public TlsTicketKeysTest {};

TEST_P(TlsTicketKeysPre13Test, TicketsOfTheSealingKeyAreNotRenewed) {
  Set({Active('a')});
  ConnectWith(RESUME_NONE);
  ConnectAgain(RESUME_TICKET);
  ExpectNewTicket(false);
}

TEST_P(TlsTicketKeysPre13Test, RenewalDoesNotProlongASessionOfTls12) {
  PRTime forever = now() + 1000 * kHour;
  Set({KeyBytes('a', 1, forever)});
  ConnectWith(RESUME_NONE);
  // Tickets last two days.
  AdvanceTime(40 * kHour);
  Set({KeyBytes('b', 2, forever), KeyBytes('a', 1, forever)});
  ConnectAgain(RESUME_TICKET);
  ExpectNewTicket(true, KeyName('b'));
  KeepSentTicket();
  // The client is not what ends it.
  ClientSession()->u.ssl3.locked.sessionTicket.received_timestamp += 40 * kHour;
  ClientSession()->expirationTime += 40 * kHour;
  AdvanceTime(7 * kHour);
  ConnectAgain(RESUME_TICKET);
  AdvanceTime(2 * kHour);
  ConnectAgain(RESUME_NONE);
}

TEST_P(TlsTicketKeysTest, AfterARevocationOldTicketsAreAFullHandshake) {
  Set({Active('a')});
  ConnectWith(RESUME_NONE);
  Set({Newer('b')});
  ConnectAgain(RESUME_NONE);
  EXPECT_EQ(KeyName('b'), ClientTicketName());
  ConnectAgain(RESUME_TICKET);
}

TEST_P(TlsTicketKeysTest, AnExpiredKeyOpensNothing) {
  Set({KeyBytes('a', now() - kHour, now() + kHour),
       KeyBytes('z', now() + kHour, now() + 9 * kHour)});
  ConnectWith(RESUME_NONE);
  EXPECT_EQ(KeyName('a'), ClientTicketName());
  AdvanceTime(kHour);
  ConnectAgain(RESUME_NONE);
  EXPECT_EQ(KeyName('z'), ClientTicketName());
}

TEST_P(TlsTicketKeysTest, AnExpiredKeySealsNothing) {
  Set({KeyBytes('a', now() - kHour, now() + kHour)});
  AdvanceTime(kHour);
  ConnectWith(RESUME_NONE);
  EXPECT_NE(KeyName('a'), ClientTicketName());
  ConnectAgain(RESUME_TICKET);
}

TEST_P(TlsTicketKeysTest, AKeyOpensUntilItExpires) {
  Set({KeyBytes('a', now(), now() + kHour)});
  ConnectWith(RESUME_NONE);
  EXPECT_EQ(KeyName('a'), ClientTicketName());
  AdvanceTime(kHour - 1);
  ConnectAgain(RESUME_TICKET);
}

TEST_P(TlsTicketKeysTest, AKeyOpensBeforeItSeals) {
  // One host's clock is ahead.
  Set({Newer('b')});
  ConnectWith(RESUME_NONE);
  MoveToAnotherHost();
  Set({KeyBytes('b', now() + kHour, now() + 9 * kHour), Active('a')});
  ConnectAgain(RESUME_TICKET);
  ExpectNewTicket(true, KeyName('a'));
}

TEST_P(TlsTicketKeysTest, AKeySealsFromItsActivationOn) {
  Set({KeyBytes('b', now() + kHour, now() + 9 * kHour), Active('a')});
  ConnectWith(RESUME_NONE);
  EXPECT_EQ(KeyName('a'), ClientTicketName());
  AdvanceTime(kHour);
  ConnectAgain(RESUME_TICKET);
  ExpectNewTicket(true, KeyName('b'));
}

TEST_P(TlsTicketKeysTest, TheNewestActiveKeySealsWhereverItStands) {
  Set({KeyBytes('a', now() - 3 * kHour, now() + kHour),
       KeyBytes('c', now() - kHour, now() + kHour),
       KeyBytes('z', now() + 1, now() + kHour),
       KeyBytes('b', now() - 2 * kHour, now() + kHour)});
  ConnectWith(RESUME_NONE);
  EXPECT_EQ(KeyName('c'), ClientTicketName());
}

TEST_P(TlsTicketKeysTest, OfKeysAsNewAsEachOtherTheFirstSeals) {
  Set({Active('b'), Active('a')});
  ConnectWith(RESUME_NONE);
  EXPECT_EQ(KeyName('b'), ClientTicketName());
}

TEST_P(TlsTicketKeysTest, AKeyWithEqualTimesOpensOnly) {
  Set({Active('a')});
  ConnectWith(RESUME_NONE);
  Set({KeyBytes('a', now() + kHour, now() + kHour)});
  ConnectAgain(RESUME_TICKET);
  // There is none to renew it with.
  ExpectNewTicket(false, KeyName('a'));
}

TEST_P(TlsTicketKeysTest, WithNoActiveKeyTicketsAreOfNssOwn) {
  Set({KeyBytes('b', now() + kHour, now() + 9 * kHour)});
  ConnectWith(RESUME_NONE);
  EXPECT_NE(KeyName('b'), ClientTicketName());
  ConnectAgain(RESUME_TICKET);
  MoveToAnotherHost();
  ConnectAgain(RESUME_NONE);
}

TEST_P(TlsTicketKeysTest, TicketsOfNssOwnResumeOnceKeysAreSet) {
  ConnectWith(RESUME_NONE);
  Bytes own = ClientTicketName();
  Set({Active('a')});
  ConnectAgain(RESUME_TICKET);
  EXPECT_NE(KeyName('a'), own);
  ExpectNewTicket(true, KeyName('a'));
}

TEST_P(TlsTicketKeysTest, AnEmptySetIsNssOwnKeysAgain) {
  ConnectWith(RESUME_NONE);
  Bytes own = ClientTicketName();
  Set({Active('a')});
  SSL_ClearSessionCache();
  ConnectAgain(RESUME_NONE);
  EXPECT_EQ(KeyName('a'), ClientTicketName());
  Set({});
  ConnectAgain(RESUME_NONE);
  EXPECT_EQ(own, ClientTicketName());
}

TEST_P(TlsTicketKeysTest, ATicketThatDoesNotOpenIsAFullHandshake) {
  Set({Active('a')});
  ConnectWith(RESUME_NONE);
  const Bytes good = ClientTicket();
  const std::vector<std::function<void(Bytes&)>> damages = {
      [](Bytes& t) { t.back() ^= 1; },  // its MAC
      [](Bytes& t) { t[16] ^= 1; },     // its IV
      [](Bytes& t) { t[32] ^= 1; },     // its length
      [](Bytes& t) { t[40] ^= 1; },     // its ciphertext
      [](Bytes& t) { t.erase(t.begin() + 32, t.begin() + 34); },  // OpenSSL's
      [](Bytes& t) { t.push_back(0); },                           //
      [](Bytes& t) { t.resize(60); },                             //
      [](Bytes& t) { t.resize(SSL_SESSION_TICKET_KEY_NAME_LEN); },
      [](Bytes& t) { t.resize(1); },
      [](Bytes& t) {  // of another key, and of another implementation
        t[0] ^= 1;
        t.erase(t.begin() + 32, t.begin() + 34);
      },
  };
  for (const auto& damage : damages) {
    Bytes bad = good;
    damage(bad);
    SetClientTicket(bad);
    ConnectAgain(RESUME_NONE);
  }
  ConnectAgain(RESUME_TICKET);
}

TEST_P(TlsTicketKeysTest, ADamagedTicketOfNssOwnIsAsItWas) {
  ConnectWith(RESUME_NONE);
  Set({Active('a')});
  Bytes bad = ClientTicket();
  bad.back() ^= 1;
  SetClientTicket(bad);
  if (Tls13()) {
    ConnectAgain(RESUME_NONE);
    return;
  }
  Reset();
  ConfigureSessionCache(RESUME_BOTH, RESUME_TICKET);
  ConnectExpectAlert(server_, kTlsAlertIllegalParameter);
  server_->CheckErrorCode(SSL_ERROR_RX_MALFORMED_CLIENT_HELLO);
}

TEST_P(TlsTicketKeysTest, TicketsAreForEveryKindOfCertificate) {
  Set({Active('a')});
  for (const std::string& name :
       {TlsAgent::kServerRsa, TlsAgent::kServerRsaSign,
        TlsAgent::kServerEcdsa256, TlsAgent::kServerEcdsa384}) {
    SSL_ClearSessionCache();
    Reset(name);
    ConnectWith(RESUME_NONE);
    EXPECT_EQ(KeyName('a'), ClientTicketName());
    MoveToAnotherHost();
    ConnectAgain(RESUME_TICKET);
  }
}

TEST_P(TlsTicketKeysTest, AHostWithOtherCertificatesIsAFullHandshake) {
  Set({Active('a')});
  ConnectWith(RESUME_NONE);
  MoveToAnotherHost();
  Reset(TlsAgent::kServerEcdsa256);
  ConnectWith(RESUME_NONE);
}

TEST_P(TlsTicketKeysTest, AHostWithMoreCertificatesResumes) {
  Set({Active('a')});
  Reset(TlsAgent::kServerEcdsa256);
  ConnectWith(RESUME_NONE);
  MoveToAnotherHost();
  Reset(TlsAgent::kServerRsa);
  EnsureTlsSetup();
  EXPECT_TRUE(server_->ConfigServerCert(TlsAgent::kServerEcdsa256));
  ConnectWith(RESUME_TICKET);
}

TEST_P(TlsTicketKeysTest, TicketsGoBeforeTheSessionCache) {
  Set({Active('a')});
  ConfigureSessionCache(RESUME_BOTH, RESUME_BOTH);
  Connect();
  SendReceive();
  MoveToAnotherHost();
  Reset();
  ConfigureSessionCache(RESUME_BOTH, RESUME_BOTH);
  ExpectResumption(RESUME_TICKET);
  Connect();
  SendReceive();
}

class TlsTicketKeysStreamTest : public TlsTicketKeysTest {};

TEST_P(TlsTicketKeysStreamTest, TheClientsCertificateTravels) {
  Set({Active('a')});
  client_->SetupClientAuth();
  server_->RequestClientAuth(true);
  ConnectWith(RESUME_NONE);
  MoveToAnotherHost();
  // Once from the ticket, and once from the one that replaced it.
  for (const auto& keys : std::vector<std::vector<SSLSessionTicketKeyBytes>>{
           {Newer('b'), Active('a')}, {Newer('b')}}) {
    Set(keys);
    Reset();
    server_->RequestClientAuth(true);
    ConnectWith(RESUME_TICKET);
    EXPECT_TRUE(ScopedCERTCertificate(SSL_PeerCertificate(server_->ssl_fd())));
    if (keys.size() > 1) {
      KeepSentTicket();
    }
  }
}

class TlsTicketKeysTls13Test : public TlsTicketKeysTest {};

TEST_P(TlsTicketKeysTls13Test, CookiesStayOnNssOwnKeys) {
  static const std::vector<SSLNamedGroup> client_groups = {
      ssl_grp_ec_secp384r1, ssl_grp_ec_secp521r1};
  static const std::vector<SSLNamedGroup> server_groups = {
      ssl_grp_ec_secp521r1};
  ConfigureSelfEncrypt();
  Set({Active('a')});
  EnsureTlsSetup();
  client_->ConfigNamedGroups(client_groups);
  server_->ConfigNamedGroups(server_groups);
  auto cookie =
      MakeTlsFilter<TlsExtensionCapture>(server_, ssl_tls13_cookie_xtn);
  cookie->SetHandshakeTypes({kTlsHandshakeHelloRetryRequest});
  StartConnect();
  client_->Handshake();
  server_->Handshake();
  ASSERT_TRUE(cookie->captured());
  ASSERT_LT(18U, cookie->extension().len());
  // It has a length in front.
  EXPECT_NE(KeyName('a'), Bytes(cookie->extension().data() + 2,
                                cookie->extension().data() + 2 +
                                    SSL_SESSION_TICKET_KEY_NAME_LEN));

  // A rotation, or a revocation, while the client is at it.
  Set({Newer('b')});
  MakeNewServer();
  server_->ConfigNamedGroups(server_groups);
  Handshake();
  CheckConnected();
  SendReceive();
}

TEST_P(TlsTicketKeysTls13Test, ATicketResumesAfterARetry) {
  Set({Active('a')});
  ConnectWith(RESUME_NONE);
  MoveToAnotherHost();
  Reset();
  EnsureTlsSetup();
  client_->ConfigNamedGroups({ssl_grp_ec_secp384r1, ssl_grp_ec_secp521r1});
  server_->ConfigNamedGroups({ssl_grp_ec_secp521r1});
  ConnectWith(RESUME_TICKET);
}

TEST_P(TlsTicketKeysTls13Test, EarlyDataIsTakenByAnotherHost) {
  Set({Active('a')});
  SetupForZeroRtt();
  MoveToAnotherHost();
  // What a host knows of early data it has seen is its own.  It refuses such
  // data until its first window is over.
  ResetAntiReplay(kHour);
  AdvanceTime(kHour);
  server_->SetAntiReplayContext(anti_replay_);
  client_->Set0RttEnabled(true);
  server_->Set0RttEnabled(true);
  ExpectNext(RESUME_TICKET);
  ZeroRttSendReceive(true, true);
  Handshake();
  ExpectEarlyDataAccepted(true);
  CheckConnected();
  SendReceive();
}

INSTANTIATE_TEST_SUITE_P(
    Stream, TlsTicketKeysTest,
    ::testing::Combine(TlsConnectTestBase::kTlsVariantsStream,
                       TlsConnectTestBase::kTlsVAll));
INSTANTIATE_TEST_SUITE_P(
    Datagram, TlsTicketKeysTest,
    ::testing::Combine(TlsConnectTestBase::kTlsVariantsDatagram,
                       TlsConnectTestBase::kTlsV11Plus));
INSTANTIATE_TEST_SUITE_P(
    Stream, TlsTicketKeysPre13Test,
    ::testing::Combine(TlsConnectTestBase::kTlsVariantsStream,
                       TlsConnectTestBase::kTlsV10ToV12));
INSTANTIATE_TEST_SUITE_P(
    Datagram, TlsTicketKeysPre13Test,
    ::testing::Combine(TlsConnectTestBase::kTlsVariantsDatagram,
                       TlsConnectTestBase::kTlsV11V12));
INSTANTIATE_TEST_SUITE_P(
    Stream, TlsTicketKeysStreamTest,
    ::testing::Combine(TlsConnectTestBase::kTlsVariantsStream,
                       TlsConnectTestBase::kTlsVAll));
INSTANTIATE_TEST_SUITE_P(All, TlsTicketKeysTls13Test,
                         ::testing::Combine(TlsConnectTestBase::kTlsVariantsAll,
                                            TlsConnectTestBase::kTlsV13));

// What is refused. The set in use must be the old one afterwards.
class TicketKeyRulesTest : public ::testing::Test {
 protected:
  void TearDown() override { SSL_SetSessionTicketKeys(nullptr, 0); }

  static SSLSessionTicketKeyBytes Good(char letter) {
    return KeyBytes(letter, 1, 2);
  }

  static void ExpectRefused(const std::vector<SSLSessionTicketKeyBytes>& keys,
                            PRErrorCode code) {
    PORT_SetError(0);
    EXPECT_EQ(SECFailure, SetKeys(keys));
    EXPECT_EQ(code, PORT_GetError());
  }

  static void ExpectRefused(const SSLSessionTicketKey& key, PRErrorCode code) {
    PORT_SetError(0);
    EXPECT_EQ(SECFailure, SSL_SetSessionTicketKeys(&key, 1));
    EXPECT_EQ(code, PORT_GetError());
  }

  static ScopedPK11SymKey Generate(CK_MECHANISM_TYPE mechanism, int length) {
    ScopedPK11SlotInfo slot(PK11_GetInternalSlot());
    return ScopedPK11SymKey(
        PK11_KeyGen(slot.get(), mechanism, nullptr, length, nullptr));
  }
};

TEST_F(TicketKeyRulesTest, BothCallsAreFoundByTheirNames) {
  EXPECT_NE(nullptr, SSL_GetExperimentalAPI("SSL_SetSessionTicketKeys"));
  EXPECT_NE(nullptr, SSL_GetExperimentalAPI("SSL_SetSessionTicketKeyBytes"));
}

TEST_F(TicketKeyRulesTest, AsManyKeysAsAllowed) {
  std::vector<SSLSessionTicketKeyBytes> keys;
  for (int i = 1; i <= SSL_MAX_SESSION_TICKET_KEYS; ++i) {
    keys.push_back(Good(i));
  }
  EXPECT_EQ(SECSuccess, SetKeys(keys));
  keys.push_back(Good(SSL_MAX_SESSION_TICKET_KEYS + 1));
  ExpectRefused(keys, SEC_ERROR_INVALID_ARGS);
}

TEST_F(TicketKeyRulesTest, AnArrayIsNeededForKeysOnly) {
  EXPECT_EQ(SECSuccess, SSL_SetSessionTicketKeys(nullptr, 0));
  EXPECT_EQ(SECSuccess, SSL_SetSessionTicketKeyBytes(nullptr, 0));
  EXPECT_EQ(SECFailure, SSL_SetSessionTicketKeys(nullptr, 1));
  EXPECT_EQ(SEC_ERROR_INVALID_ARGS, PORT_GetError());
  EXPECT_EQ(SECFailure, SSL_SetSessionTicketKeyBytes(nullptr, 1));
  EXPECT_EQ(SEC_ERROR_INVALID_ARGS, PORT_GetError());
}

TEST_F(TicketKeyRulesTest, NamesAreNeitherEmptyNorTwice) {
  auto unnamed = Good('a');
  memset(unnamed.name, 0, sizeof(unnamed.name));
  ExpectRefused({unnamed}, SEC_ERROR_INVALID_ARGS);

  auto twin = Good('b');
  memset(twin.name, 'a', sizeof(twin.name));
  ExpectRefused({Good('a'), Good('c'), twin}, SEC_ERROR_INVALID_ARGS);

  twin.name[SSL_SESSION_TICKET_KEY_NAME_LEN - 1] ^= 1;
  EXPECT_EQ(SECSuccess, SetKeys({Good('a'), Good('c'), twin}));
}

TEST_F(TicketKeyRulesTest, TimesAreInOrder) {
  ExpectRefused({KeyBytes('a', 2, 1)}, SEC_ERROR_INVALID_TIME);
  ExpectRefused({KeyBytes('a', 0, 0)}, SEC_ERROR_INVALID_TIME);
  ExpectRefused({KeyBytes('a', -2, -1)}, SEC_ERROR_INVALID_TIME);
  EXPECT_EQ(SECSuccess, SetKeys({KeyBytes('a', 0, 1)}));
  EXPECT_EQ(SECSuccess, SetKeys({KeyBytes('a', 1, 1)}));
  EXPECT_EQ(SECSuccess, SetKeys({KeyBytes('a', PR_INT64_MAX, PR_INT64_MAX)}));
}

TEST_F(TicketKeyRulesTest, KeysAreNotZeros) {
  auto key = Good('a');
  memset(key.encKey, 0, sizeof(key.encKey));
  ExpectRefused({key}, SEC_ERROR_INVALID_KEY);
  key = Good('a');
  memset(key.macKey, 0, sizeof(key.macKey));
  ExpectRefused({key}, SEC_ERROR_INVALID_KEY);
}

TEST_F(TicketKeyRulesTest, HandlesAreOfTheRightSizeAndKind) {
  ScopedPK11SymKey enc = Generate(CKM_AES_CBC, 32);
  ScopedPK11SymKey enc16 = Generate(CKM_AES_CBC, 16);
  ScopedPK11SymKey mac = Generate(CKM_SHA256_HMAC, 32);
  ScopedPK11SymKey mac16 = Generate(CKM_SHA256_HMAC, 16);
  ASSERT_TRUE(enc && enc16 && mac && mac16);

  ExpectRefused({{'a'}, nullptr, mac.get(), 1, 2}, SEC_ERROR_INVALID_KEY);
  ExpectRefused({{'a'}, enc.get(), nullptr, 1, 2}, SEC_ERROR_INVALID_KEY);
  ExpectRefused({{'a'}, enc16.get(), mac.get(), 1, 2}, SEC_ERROR_INVALID_KEY);
  ExpectRefused({{'a'}, enc.get(), mac16.get(), 1, 2}, SEC_ERROR_INVALID_KEY);
  ExpectRefused({{'a'}, mac.get(), enc.get(), 1, 2}, SEC_ERROR_INVALID_KEY);
  SSLSessionTicketKey good = {{'a'}, enc.get(), mac.get(), 1, 2};
  EXPECT_EQ(SECSuccess, SSL_SetSessionTicketKeys(&good, 1));
}

class TicketKeyRulesConnectTest : public TlsConnectStreamTls13 {};

TEST_F(TicketKeyRulesConnectTest, ARefusedSetChangesNothing) {
  auto good = KeyBytes('a', now() - kHour, now() + kHour);
  auto bad = KeyBytes('b', now() - kSecond, 0);
  ASSERT_EQ(SECSuccess, SetKeys({good}));
  EXPECT_EQ(SECFailure, SetKeys({bad, good}));
  ConfigureSessionCache(RESUME_BOTH, RESUME_TICKET);
  Connect();
  SendReceive();
  const SECItem& ticket = ssl_FindSocket(client_->ssl_fd())
                              ->sec.ci.sid->u.ssl3.locked.sessionTicket.ticket;
  EXPECT_EQ('a', ticket.data[0]);
  SSL_SetSessionTicketKeys(nullptr, 0);
}

}  // namespace nss_test
