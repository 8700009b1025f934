@echo off
rem datapath.exchange: this makes the rules of mbx4. Run it there as an administrator. mbx4-undo.cmd takes it back.
rem Windows Server 2019, roles mailbox, state enforced, scope documented, encryption as_documented, plan 1295ce04dafe.
rem It first saves the whole policy of the firewall as mbx4-before.wfw beside itself, because how the profiles were set cannot be known before.
rem It ends at the first line that fails, with code 1, and before the profiles are touched where that was a rule. It does not run twice.
rem IPsec: kerberos, requested: pairs that both have run it are protected.
rem Other ends of IPsec, to be configured by other means: admin_workstation
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if exist "%~dp0mbx4-before.wfw" (echo mbx4.cmd has run already. Run mbx4-undo.cmd first.& exit /b 3)
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange " >nul
if not errorlevel 1 (echo This host has rules of datapath.exchange already. Remove them first.& exit /b 3)
"%T%\netsh.exe" advfirewall export "%~dp0mbx4-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
if not exist "%~dp0mbx4-before.wfw" (echo The policy was not saved. Nothing was changed.& exit /b 4)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in management dc5c1d8d" dir=in action=allow description="management" profile=any protocol=tcp localport=5985-5986 remoteip=192.0.2.250 || (echo DATAPATH-FAILED 2& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in hub-to-mailbox-mapi 33571b60" dir=in action=allow description="hub-to-mailbox-mapi recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.11 || (echo DATAPATH-FAILED 3& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ccr-scr-log-shipping e6e4d96d" dir=in action=allow description="ccr-scr-log-shipping" profile=any protocol=tcp localport=445 remoteip=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22 security=authenc || (echo DATAPATH-FAILED 4& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ccr-scr-seeding abb2204b" dir=in action=allow description="ccr-scr-seeding" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22 security=authenc || (echo DATAPATH-FAILED 5& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in mapi-to-mailbox 0c1db195" dir=in action=allow description="mapi-to-mailbox system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=198.51.100.0/26 || (echo DATAPATH-FAILED 6& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in availability-cas-to-mailbox 4d167899" dir=in action=allow description="availability-cas-to-mailbox recipient-update-rpc system-attendant-listener cas-to-mailbox-rpc" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.31 || (echo DATAPATH-FAILED 7& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in admin-remote-registry 5ab3b0ba" dir=in action=allow description="admin-remote-registry admin-remote-smb management-tools" profile=any protocol=tcp localport=445 remoteip=192.0.2.81 security=authenc || (echo DATAPATH-FAILED 8& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in admin-remote-registry 49b47cf3" dir=in action=allow description="admin-remote-registry recipient-update-rpc system-attendant-listener management-tools" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.81 || (echo DATAPATH-FAILED 9& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 036a3603" dir=in action=allow description="recipient-update-rpc system-attendant-as-mapi-client" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.24 || (echo DATAPATH-FAILED 10& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in oab-share-pull c606dc67" dir=in action=allow description="oab-share-pull" profile=any protocol=tcp localport=445 remoteip=192.0.2.31 || (echo DATAPATH-FAILED 11& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in remote-desktop 769b5738" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.81 || (echo DATAPATH-FAILED 12& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in remote-desktop adc02d37" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250 || (echo DATAPATH-FAILED 13& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site ffbaf5b9" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=192.0.2.31 || (echo DATAPATH-FAILED 14& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 23511246" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=192.0.2.81 || (echo DATAPATH-FAILED 15& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange c31685f7" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=192.0.2.81 || (echo DATAPATH-FAILED 16& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange ee08c804" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22 || (echo DATAPATH-FAILED 17& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange a39867a4" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22 || (echo DATAPATH-FAILED 18& exit /b 1)
"%T%\netsh.exe" advfirewall mainmode add rule name="datapath.exchange main 88f2d2ee" description="key exchange with these peers" endpoint1=192.0.2.24 endpoint2=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22,192.0.2.81 profile=any mmsecmethods=dhgroup14:aes256-sha256,dhgroup14:aes128-sha256 mmkeylifetime=480min,0sess auth1=computerkerb || (echo DATAPATH-FAILED 19& exit /b 1)
"%T%\netsh.exe" advfirewall consec add rule name="datapath.exchange clear icmp e33a2b4c" description="ICMP" endpoint1=192.0.2.24 endpoint2=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22 action=noauthentication mode=transport profile=any protocol=icmpv4 || (echo DATAPATH-FAILED 20& exit /b 1)
"%T%\netsh.exe" advfirewall consec add rule name="datapath.exchange ipsec ccr-scr-log-shipping a34e801c" description="ccr-scr-log-shipping ccr-scr-seeding" endpoint1=192.0.2.24 endpoint2=10.77.1.21-10.77.1.22,192.0.2.21-192.0.2.22 action=requestinrequestout mode=transport profile=any protocol=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb || (echo DATAPATH-FAILED 21& exit /b 1)
"%T%\netsh.exe" advfirewall consec add rule name="datapath.exchange ipsec admin-remote-registry 22d7b1f5" description="admin-remote-registry admin-remote-smb management-tools" endpoint1=192.0.2.24 endpoint2=192.0.2.81 action=requestinrequestout mode=transport profile=any protocol=tcp port1=445 port2=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb || (echo DATAPATH-FAILED 22& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 23& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile logging droppedconnections enable || (echo DATAPATH-FAILED 24& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile state on || (echo DATAPATH-FAILED 25& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 26& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile logging droppedconnections enable || (echo DATAPATH-FAILED 27& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile state on || (echo DATAPATH-FAILED 28& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 29& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile logging droppedconnections enable || (echo DATAPATH-FAILED 30& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile state on || (echo DATAPATH-FAILED 31& exit /b 1)
echo DATAPATH-DONE
exit /b 0
