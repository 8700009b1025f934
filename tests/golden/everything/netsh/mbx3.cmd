@echo off
rem datapath.exchange: this makes the rules of mbx3. Run it there as an administrator. mbx3-undo.cmd takes it back.
rem Windows Server 2008r2, roles mailbox, state enforced, scope documented, encryption prefer_encrypted, plan af3869132c47.
rem It first saves the whole policy of the firewall as mbx3-before.wfw beside itself, because how the profiles were set cannot be known before.
rem It ends at the first line that fails, with code 1, and before the profiles are touched where that was a rule. It does not run twice.
rem IPsec: kerberos, requested: pairs that both have run it are protected.
rem Other ends of IPsec, to be configured by other means: admin_workstation backup_server
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if exist "%~dp0mbx3-before.wfw" (echo mbx3.cmd has run already. Run mbx3-undo.cmd first.& exit /b 3)
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange " >nul
if not errorlevel 1 (echo This host has rules of datapath.exchange already. Remove them first.& exit /b 3)
"%T%\netsh.exe" advfirewall export "%~dp0mbx3-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
if not exist "%~dp0mbx3-before.wfw" (echo The policy was not saved. Nothing was changed.& exit /b 4)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in management a8dc025c" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5986 remoteip=198.51.100.48 || (echo DATAPATH-FAILED 2& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in hub-to-mailbox-mapi dd81621b" dir=in action=allow description="hub-to-mailbox-mapi recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.11-192.0.2.12 || (echo DATAPATH-FAILED 3& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ccr-scr-log-shipping aaaeb437" dir=in action=allow description="ccr-scr-log-shipping" profile=any protocol=tcp localport=445 remoteip=192.0.2.21 || (echo DATAPATH-FAILED 4& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ccr-scr-seeding 7b6406f5" dir=in action=allow description="ccr-scr-seeding" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21 || (echo DATAPATH-FAILED 5& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in vss-backup e34ace49" dir=in action=allow description="vss-backup" profile=any protocol=tcp localport=445 remoteip=198.51.100.44 || (echo DATAPATH-FAILED 6& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in legacy-streaming-backup 09e36f8b" dir=in action=allow description="legacy-streaming-backup" profile=any protocol=tcp localport=135,1025-60000 remoteip=198.51.100.44 || (echo DATAPATH-FAILED 7& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in mapi-to-mailbox ef00b9c2" dir=in action=allow description="mapi-to-mailbox system-attendant-listener outlook-oab-public-folder" profile=any protocol=tcp localport=135,1025-60000 remoteip=198.51.100.20-198.51.100.22 || (echo DATAPATH-FAILED 8& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in availability-cas-to-mailbox 5f1dbca9" dir=in action=allow description="availability-cas-to-mailbox recipient-update-rpc system-attendant-listener cas-to-mailbox-rpc" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.31-192.0.2.32 || (echo DATAPATH-FAILED 9& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in admin-remote-registry 912f9567" dir=in action=allow description="admin-remote-registry admin-remote-smb management-tools" profile=any protocol=tcp localport=445 remoteip=198.51.100.84 || (echo DATAPATH-FAILED 10& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in admin-remote-registry 3705d3c4" dir=in action=allow description="admin-remote-registry recipient-update-rpc system-attendant-listener management-tools" profile=any protocol=tcp localport=135,1025-60000 remoteip=198.51.100.84 || (echo DATAPATH-FAILED 11& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc dea90a93" dir=in action=allow description="recipient-update-rpc system-attendant-as-mapi-client" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.21-192.0.2.23 || (echo DATAPATH-FAILED 12& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc a707d5a5" dir=in action=allow description="recipient-update-rpc system-attendant-listener um-to-mailbox" profile=any protocol=tcp localport=135,1025-60000 remoteip=192.0.2.41 || (echo DATAPATH-FAILED 13& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in webdav-to-mailbox 3f7e4308" dir=in action=allow description="webdav-to-mailbox" profile=any protocol=tcp localport=443 remoteip=192.0.2.31-192.0.2.32 || (echo DATAPATH-FAILED 14& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in webdav-to-mailbox 02476fb2" dir=in action=allow description="webdav-to-mailbox" profile=any protocol=tcp localport=443 remoteip=0.0.0.0-255.255.255.255 || (echo DATAPATH-FAILED 15& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in oab-share-pull 93376c24" dir=in action=allow description="oab-share-pull" profile=any protocol=tcp localport=445 remoteip=192.0.2.31-192.0.2.32 || (echo DATAPATH-FAILED 16& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in outlook-anywhere-back-end ca1163a7" dir=in action=allow description="outlook-anywhere-back-end" profile=any protocol=tcp localport=6001-6002,6004 remoteip=192.0.2.31 || (echo DATAPATH-FAILED 17& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in remote-desktop 750736eb" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=198.51.100.84 || (echo DATAPATH-FAILED 18& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in remote-desktop f63fd8b9" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=198.51.100.48 || (echo DATAPATH-FAILED 19& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site 9f896c13" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=192.0.2.32 || (echo DATAPATH-FAILED 20& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 3eeaf86b" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=198.51.100.84 || (echo DATAPATH-FAILED 21& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 51797c1a" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=198.51.100.84 || (echo DATAPATH-FAILED 22& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange a9c46e5d" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=198.51.100.44 || (echo DATAPATH-FAILED 23& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange bc3ba90b" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=198.51.100.44 || (echo DATAPATH-FAILED 24& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange 7a7905f7" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=udp localport=500,4500 remoteip=192.0.2.21 || (echo DATAPATH-FAILED 25& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in ipsec-key-exchange d4478184" dir=in action=allow description="ipsec-key-exchange" profile=any protocol=50 remoteip=192.0.2.21 || (echo DATAPATH-FAILED 26& exit /b 1)
"%T%\netsh.exe" advfirewall mainmode add rule name="datapath.exchange main 583ff206" description="key exchange with these peers" endpoint1=192.0.2.23 endpoint2=192.0.2.21,198.51.100.44,198.51.100.84 profile=any mmsecmethods=dhgroup14:aes256-sha256,dhgroup14:aes128-sha256 mmkeylifetime=480min,0sess auth1=computerkerb || (echo DATAPATH-FAILED 27& exit /b 1)
"%T%\netsh.exe" advfirewall consec add rule name="datapath.exchange clear icmp 49179de9" description="ICMP" endpoint1=192.0.2.23 endpoint2=192.0.2.21,198.51.100.44,198.51.100.84 action=noauthentication mode=transport profile=any protocol=icmpv4 || (echo DATAPATH-FAILED 28& exit /b 1)
"%T%\netsh.exe" advfirewall consec add rule name="datapath.exchange ipsec ccr-scr-log-shipping 635d67be" description="ccr-scr-log-shipping ccr-scr-seeding recipient-update-rpc system-attendant-as-mapi-client" endpoint1=192.0.2.23 endpoint2=192.0.2.21 action=requestinrequestout mode=transport profile=any protocol=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb || (echo DATAPATH-FAILED 29& exit /b 1)
"%T%\netsh.exe" advfirewall consec add rule name="datapath.exchange ipsec legacy-streaming-backup 5712e76e" description="legacy-streaming-backup" endpoint1=192.0.2.23 endpoint2=198.51.100.44 action=requestinrequestout mode=transport profile=any protocol=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb || (echo DATAPATH-FAILED 30& exit /b 1)
"%T%\netsh.exe" advfirewall consec add rule name="datapath.exchange ipsec admin-remote-registry 56133238" description="admin-remote-registry admin-remote-smb management-tools recipient-update-rpc system-attendant-listener" endpoint1=192.0.2.23 endpoint2=198.51.100.84 action=requestinrequestout mode=transport profile=any protocol=any auth1=computerkerb qmpfs=dhgroup14 qmsecmethods=esp:aesgcm256-aesgcm256+60min+10000000kb,esp:aesgcm128-aesgcm128+60min+10000000kb || (echo DATAPATH-FAILED 31& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 32& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile logging droppedconnections enable || (echo DATAPATH-FAILED 33& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile state on || (echo DATAPATH-FAILED 34& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 35& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile logging droppedconnections enable || (echo DATAPATH-FAILED 36& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile state on || (echo DATAPATH-FAILED 37& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 38& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile logging droppedconnections enable || (echo DATAPATH-FAILED 39& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile state on || (echo DATAPATH-FAILED 40& exit /b 1)
echo DATAPATH-DONE
exit /b 0
